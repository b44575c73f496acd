/** `{env:NAME}`, `{env:NAME:-default}` and `{file:path}`: kept as they are in the config, resolved by whoever uses them, at the moment of use. */
import { readFile, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, isAbsolute, resolve } from "node:path"
import { ConfigError } from "./errors.ts"
import { formatPath } from "./path.ts"
import type { Place } from "./sheet.ts"
import type { Keys } from "../lib/tree.ts"

const REFERENCE = /\{(env|file):([^{}]*)\}/g
/** Bytes of a file whose text stands for a reference: a key, a certificate. */
const MOST = 65_536

/** Where a text stands; asked for only where it matters. */
export interface Standing extends Place { keys?: Keys }

export function refers(value: unknown): boolean {
  if (typeof value === "string") return new RegExp(REFERENCE.source).test(value)
  return typeof value === "object" && value !== null && Object.values(value).some(refers)
}

/** `place` finds the text; `base`: where a relative path starts when the text stands in no file. */
export async function resolveReferences(text: string, place: () => Promise<Standing | undefined>, base: string, env: NodeJS.ProcessEnv): Promise<string> {
  const parts: string[] = []
  let end = 0
  for (const match of text.matchAll(REFERENCE)) {
    const [whole, kind, inner] = match as unknown as [string, string, string]
    parts.push(text.slice(end, match.index), await (kind === "env" ? fromVariable(inner, env, place) : fromFile(inner, place, base)))
    end = match.index + whole.length
  }
  return [...parts, text.slice(end)].join("")
}

async function fromVariable(inner: string, env: NodeJS.ProcessEnv, place: () => Promise<Standing | undefined>): Promise<string> {
  const [, name = "", fallback] = /^([^:]*)(?::-(.*))?$/s.exec(inner) ?? []
  if (!/^[A-Za-z_]\w*$/.test(name)) throw unresolved(await place(), `{env:${inner}} names no variable; write {env:NAME} or {env:NAME:-default}`)
  // Set to nothing is what a shell leaves behind for a key that was never filled in.
  const value = env[name] || fallback
  if (value === undefined) throw unresolved(await place(), `the environment variable ${name} is not set; export it, or write {env:${name}:-default}`)
  return value
}

async function fromFile(inner: string, place: () => Promise<Standing | undefined>, base: string): Promise<string> {
  const standing = await place()
  const file = resolve(standing?.file && isAbsolute(standing.file) ? dirname(standing.file) : base, inner.replace(/^~(?=$|\/)/, homedir()))
  try {
    const status = await stat(file)
    if (status.isFile() && status.size <= MOST) return (await readFile(file, "utf8")).replace(/\r?\n$/, "")
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw unresolved(standing, `the file ${file} of {file:${inner}} ${code === "ENOENT" ? "is not there" : `cannot be read (${code})`}`)
  }
  throw unresolved(standing, `${file} of {file:${inner}} is not a file of at most ${MOST} bytes`)
}

function unresolved(standing: Standing | undefined, what: string): ConfigError {
  const where = standing?.file ? `${standing.file}${standing.line ? `:${standing.line}` : ""}: ` : ""
  const path = standing?.keys ? `"${formatPath(standing.keys)}": ` : ""
  return new ConfigError("config.variable", `${where}${path}${what}`)
}
