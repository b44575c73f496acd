/**
 * A secret that a command prints. It has no stdin, a group of its own and a deadline; what it says besides goes nowhere,
 * because it may hold the secret.
 */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { homedir } from "node:os"
import { endFamily, familyOf, marked } from "../../lib/processes.ts"
import { AuthError } from "../errors.ts"

export interface Printed { secret: string; /** ms since the epoch. */ expires?: number }

/** ms; a person may have to unlock something first. */
const DEADLINE = 60_000
const MOST_BYTES = 64 * 1024
const DRAIN = 150
const GRACE = 250

export async function printed(command: string, whose: string, deadline = DEADLINE): Promise<Printed> {
  const failed = (why: string) => new AuthError("auth.command", `the command that gives the credential of ${whose} ${why}; run it by hand to see why, or log in again`)
  const mark = randomUUID()
  const child = spawn("/bin/sh", ["-c", command], { cwd: homedir(), env: marked(process.env, mark), detached: true, stdio: ["ignore", "pipe", "ignore"], windowsHide: true })
  const family = child.pid === undefined ? undefined : familyOf(child.pid, mark)
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  let length = 0
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    if ((length += chunk.length) > MOST_BYTES) stop(`printed more than ${MOST_BYTES} bytes`)
  })
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const exited = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`could not be started (${(error as NodeJS.ErrnoException).code})`))
    child.once("exit", (code, signal) => resolve(code === 0 ? undefined : `failed (${signal ?? `exit code ${code}`})`))
  })
  const timer = setTimeout(() => stop(`did not end within ${deadline / 1_000} s`), deadline)
  try {
    const why = await Promise.race([exited, stopped])
    if (why !== undefined) throw failed(why)
    // Its children may hold the pipe for ever.
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN))])
  } finally {
    clearTimeout(timer)
    if (family) await endFamily(family, GRACE)
    child.stdout.destroy()
  }
  const found = readPrinted(Buffer.concat(chunks).toString("utf8"))
  if (!found) throw failed("printed no secret: one line is expected, or JSON with \"secret\" and \"expires\"")
  return found
}

/** One line, or JSON under the names that such programs use: AWS' credential_process, kubectl's exec plugins, gcloud. */
export function readPrinted(text: string): Printed | undefined {
  const line = text.trim()
  if (!line.startsWith("{")) return line === "" || /[\s\p{Cc}]/u.test(line) ? undefined : { secret: line }
  try {
    const said = JSON.parse(line) as Record<string, unknown>
    const about = (said.status ?? said) as Record<string, unknown>
    const secret = [about.secret, about.token, about.access_token, about.accessToken, about.key].find((value) => typeof value === "string" && value !== "") as string | undefined
    const ends = about.expires ?? about.expires_at ?? about.expirationTimestamp ?? about.Expiration
    const expires = typeof ends === "string" && !/^\d+$/.test(ends) ? Date.parse(ends) : Number(ends ?? NaN) * (Number(ends) < 1e11 ? 1_000 : 1)
    return secret === undefined ? undefined : { secret, ...(Number.isFinite(expires) && { expires }) }
  } catch {
    return undefined
  }
}
