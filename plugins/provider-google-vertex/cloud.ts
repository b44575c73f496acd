/** What Google Cloud wants to know beside a key: whose project, which region, and credentials that its own library finds. */
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import type { Connection } from "../lib/vendor.ts"

const REGION = "global"

export function settingsOf({ key, more }: Connection, env = process.env): { apiKey?: string; project?: string; location?: string } {
  if (key !== "") return { apiKey: key }
  const project = more.project ?? (env.GOOGLE_VERTEX_PROJECT || env.GOOGLE_CLOUD_PROJECT || env.GCLOUD_PROJECT)
  // An empty key keeps the SDK from taking one from the environment that is not meant.
  return { apiKey: "", ...(project && { project }), location: more.region ?? (env.GOOGLE_VERTEX_LOCATION || env.GOOGLE_CLOUD_LOCATION || REGION) }
}

/** Why it cannot be used. That of a machine inside the cloud is known only there: who names its project in the config says so. */
export function lacks(connection: Connection, env = process.env): string | undefined {
  const { apiKey, project } = settingsOf(connection, env)
  if (apiKey) return undefined
  const file = env.GOOGLE_APPLICATION_CREDENTIALS || join(env.CLOUDSDK_CONFIG || join(homedir(), ".config/gcloud"), "application_default_credentials.json")
  const there = existsSync(file) || connection.more.project !== undefined || connection.headers.authorization !== undefined
  if (!there) return "no credentials: run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_VERTEX_API_KEY"
  if (project || connection.url) return undefined
  return "no project: set `providers.google-vertex.project` in the config, or GOOGLE_CLOUD_PROJECT"
}
