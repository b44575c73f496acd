/** A hook that is a URL: what it is told is the body of a POST, and what it says is what a command would write to stdout. */
import { messageOf } from "graft"
import { httpFetch } from "../lib/http-fetch.ts"
import type { HookWork, Ran } from "./contract.ts"
import type { Call } from "./shell.ts"

/** Bytes of an answer. */
const MOST = 1024 * 1024

export async function post({ url, headers, allowedEnvVars }: Extract<HookWork, { type: "http" }>, { input, seconds, signal }: Pick<Call, "input" | "seconds" | "signal">): Promise<Ran> {
  const late = AbortSignal.timeout(seconds * 1_000)
  try {
    const answer = await httpFetch(url, { method: "POST", body: input, headers: { "content-type": "application/json", ...filled(headers, allowedEnvVars) }, signal: AbortSignal.any([signal, late]) })
    const stdout = await bodyOf(answer)
    if (stdout === undefined) return { kind: "failed", why: `${url} answered with more than ${MOST} bytes` }
    return answer.ok ? { kind: "exit", code: 0, stdout, stderr: "" } : { kind: "failed", why: `${url} answered ${answer.status}` }
  } catch (error) {
    if (late.aborted) return { kind: "failed", why: `${url} did not answer within ${seconds} s` }
    return { kind: "failed", why: `${url} could not be asked: ${messageOf((error as { cause?: unknown }).cause ?? error)}` }
  }
}

/** `$NAME` and `${NAME}`, where that name may be told; any other is empty. */
const filled = (headers: Readonly<Record<string, string>>, allowed: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => (allowed.includes(braced ?? plain!) ? (process.env[braced ?? plain!] ?? "") : ""))]))

async function bodyOf(answer: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.body!) {
    length += chunk.length
    if (length > MOST) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}
