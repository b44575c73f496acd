/**
 * Where credentials of AWS are found, in AWS' own order: the environment, a profile of the files in ~/.aws (keys, or a
 * program that gives them, which is also the way to a single sign-on), a container's address, the instance's metadata.
 * What the files and the environment say is known without a network; the last two are asked only by a request.
 */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Connection } from "../lib/vendor.ts"
import { profilesIn, type Profile } from "./profiles.ts"

export interface Credentials { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
type Env = NodeJS.ProcessEnv

/** A program may open a browser, and wait for it. */
const PROGRAM_DEADLINE = 60_000
const METADATA_DEADLINE = 1_000
/** Those of a machine are renewed long before they end; ms. */
const RENEW_BEFORE = 5 * 60_000
const METADATA = "http://169.254.169.254"

export const regionOf = ({ more }: Connection, env: Env = process.env): string => more.region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || "us-east-1")
const profileOf = ({ more }: Connection, env: Env): string => more.profile ?? (env.AWS_PROFILE || "default")
const fileOf = (env: Env, variable: string, name: string): string => env[variable] || join(homedir(), ".aws", name)

/** Why it cannot be used. A machine in the cloud is known only there: who names the region in the config, or is told by it, says so. */
export async function lacks(connection: Connection, env: Env = process.env): Promise<string | undefined> {
  if (connection.key !== "" || inEnvironment(env) || containerAddress(env)) return undefined
  const profile = await readProfile(connection, env)
  if (profile && (profile.aws_access_key_id || profile.credential_process)) return undefined
  if (profile?.sso_session || profile?.sso_start_url || profile?.role_arn) return `the profile "${profileOf(connection, env)}" signs in elsewhere: give it a line \`credential_process = aws configure export-credentials --profile ${profileOf(connection, env)} --format process\` under another name, and set that as \`providers.amazon-bedrock.profile\``
  if (connection.more.region && env.AWS_EC2_METADATA_DISABLED !== "true") return undefined
  return "no credentials: run `graft auth login amazon-bedrock` with a Bedrock key, or set AWS_PROFILE or AWS_ACCESS_KEY_ID; on an instance, set `providers.amazon-bedrock.region`"
}

/** Rejects with what was tried. */
export async function credentials(connection: Connection, env: Env = process.env): Promise<Credentials> {
  const found = inEnvironment(env) ?? (await ofProfile(connection, env)) ?? (await ofMachine(env))
  if (found) return found
  throw Object.assign(new Error(`no credentials of AWS were found: not in the environment, not in the profile "${profileOf(connection, env)}", and no container or instance gave any`), { code: "llm.auth" })
}

function inEnvironment(env: Env): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } : undefined
}

async function readProfile(connection: Connection, env: Env): Promise<Profile | undefined> {
  const texts = await Promise.all([fileOf(env, "AWS_CONFIG_FILE", "config"), fileOf(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials")].map((path) => readFile(path, "utf8").catch(() => "")))
  const [config, secret] = texts.map((text) => profilesIn(text).get(profileOf(connection, env)))
  return config || secret ? { ...config, ...secret } : undefined
}

async function ofProfile(connection: Connection, env: Env): Promise<Credentials | undefined> {
  const profile = await readProfile(connection, env)
  if (profile?.aws_access_key_id && profile.aws_secret_access_key) return { accessKeyId: profile.aws_access_key_id, secretAccessKey: profile.aws_secret_access_key, ...(profile.aws_session_token && { sessionToken: profile.aws_session_token }) }
  return profile?.credential_process ? kept(`program ${profile.credential_process}`, () => ofProgram(profile.credential_process!, env)) : undefined
}

/** As AWS' own tools run it: a line for the shell. What it says in words is not repeated, it may hold a secret. */
async function ofProgram(line: string, env: Env): Promise<Answer> {
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", line], { env, timeout: PROGRAM_DEADLINE, maxBuffer: 64 * 1024 }).catch((error: { code?: unknown }) => { throw Object.assign(new Error(`the credential_process of the AWS profile failed (${String(error.code)}); run it by hand to see why`), { code: "llm.auth" }) })
  return JSON.parse(stdout) as Answer
}

const containerAddress = (env: Env): string | undefined => env.AWS_CONTAINER_CREDENTIALS_FULL_URI || (env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI && `http://169.254.170.2${env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI}`) || undefined

async function ofMachine(env: Env): Promise<Credentials | undefined> {
  const address = containerAddress(env)
  if (address) {
    const token = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE ? await readFile(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, "utf8") : env.AWS_CONTAINER_AUTHORIZATION_TOKEN
    return kept(address, async () => JSON.parse(await asked(address, token ? { headers: { authorization: token.trim() } } : {})) as Answer)
  }
  if (env.AWS_EC2_METADATA_DISABLED === "true") return undefined
  const root = env.AWS_EC2_METADATA_SERVICE_ENDPOINT || METADATA
  return kept(root, async () => {
    const token = await asked(`${root}/latest/api/token`, { method: "PUT", headers: { "x-aws-ec2-metadata-token-ttl-seconds": "300" } })
    const headers = { "x-aws-ec2-metadata-token": token }
    const role = (await asked(`${root}/latest/meta-data/iam/security-credentials/`, { headers })).split("\n")[0]!
    return JSON.parse(await asked(`${root}/latest/meta-data/iam/security-credentials/${role}`, { headers })) as Answer
  }).catch(() => undefined)
}

async function asked(address: string, init: RequestInit): Promise<string> {
  const response = await fetch(address, { ...init, redirect: "error", signal: AbortSignal.timeout(METADATA_DEADLINE) })
  if (!response.ok) throw Object.assign(new Error(`${address} answered ${response.status}`), { code: "llm.auth" })
  return response.text()
}

interface Answer { AccessKeyId: string; SecretAccessKey: string; SessionToken?: string; Token?: string; Expiration?: string }
const answers = new Map<string, { until: number; found: Credentials }>()

/** What is good for hours is not fetched for each request. */
async function kept(from: string, fetched: () => Promise<Answer>): Promise<Credentials> {
  const known = answers.get(from)
  if (known && Date.now() < known.until) return known.found
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken, Token, Expiration } = await fetched()
  if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") throw Object.assign(new Error("what was to give credentials of AWS gave none"), { code: "llm.auth" })
  const sessionToken = SessionToken ?? Token
  const found = { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
  answers.clear()
  if (Expiration) answers.set(from, { until: Date.parse(Expiration) - RENEW_BEFORE, found })
  return found
}
