/** The tools of a server as it lists them: page by page, each judged alone, because a request with one wrong schema is refused whole. */
import { createHash } from "node:crypto"
import * as v from "valibot"
import type { Client } from "@modelcontextprotocol/client"
import { messageOf } from "graft"
import { wildcard } from "../../lib/wildcard.ts"

/** A tool as its server describes it. `rerun`: it says that calling it twice does no harm. */
export interface Offered { name: string; description: string; schema: Record<string, unknown>; rerun: boolean }

const MOST_PAGES = 64
const MOST_TOOLS = 1_000
/** Milliseconds that one page may take. */
const PAGE = 30_000
/** Characters of a description, and of a schema as JSON: both go along with every request. */
const MOST_DESCRIPTION = 4_096
const MOST_SCHEMA = 65_536

const Page = v.looseObject({ tools: v.array(v.unknown()), nextCursor: v.nullish(v.string()) })
const Tool = v.looseObject({
  name: v.pipe(v.string(), v.nonEmpty(), v.maxLength(256)),
  title: v.optional(v.string()),
  description: v.optional(v.string()),
  inputSchema: v.record(v.string(), v.unknown()),
  annotations: v.optional(v.looseObject({ readOnlyHint: v.optional(v.boolean()), idempotentHint: v.optional(v.boolean()) })),
})

export async function listTools(client: Client, signal: AbortSignal): Promise<{ tools: Offered[]; problems: string[] }> {
  if (!client.getServerCapabilities()?.tools) return { tools: [], problems: [] }
  const listed: unknown[] = []
  let cursor: string | undefined
  for (let page = 0; page < MOST_PAGES && listed.length <= MOST_TOOLS; page++) {
    const { tools, nextCursor } = await client.request({ method: "tools/list", ...(cursor !== undefined && { params: { cursor } }) }, Page, { timeout: PAGE, signal })
    listed.push(...tools)
    if (!nextCursor || nextCursor === cursor) break
    cursor = nextCursor
  }
  const problems = listed.length > MOST_TOOLS ? [`it lists more than ${MOST_TOOLS} tools; the rest are left out`] : []
  const wrong = await schemaCheck()
  const tools = new Map<string, Offered>()
  for (const entry of listed.slice(0, MOST_TOOLS)) {
    try {
      const tool = offered(entry, wrong)
      tools.set(tool.name, tool)
    } catch (error) {
      problems.push(`its tool "${String((entry as { name?: unknown } | null)?.name).slice(0, 64)}" is left out: ${messageOf(error)}`)
    }
  }
  return { tools: [...tools.values()], problems }
}

function offered(entry: unknown, wrong: (schema: Record<string, unknown>) => string | undefined): Offered {
  const { name, title, description, inputSchema, annotations } = v.parse(Tool, entry)
  if (JSON.stringify(inputSchema).length > MOST_SCHEMA) throw new Error(`its schema has more than ${MOST_SCHEMA} characters`)
  const schema = Object.keys(inputSchema).length === 0 ? { type: "object" } : inputSchema
  if (schema.type !== "object") throw new Error(`its schema describes ${JSON.stringify(schema.type)?.slice(0, 64) ?? "no object"}, and arguments are an object`)
  const fault = wrong(schema)
  if (fault !== undefined) throw new Error(`its schema is none: ${fault.slice(0, 200)}`)
  return {
    name, schema,
    description: (description?.trim() || title?.trim() || name).slice(0, MOST_DESCRIPTION).toWellFormed(),
    rerun: annotations?.readOnlyHint === true || annotations?.idempotentHint === true,
  }
}

/** What no validator can read no provider takes. Formats and keywords that nobody knows do no harm. */
async function schemaCheck(): Promise<(schema: Record<string, unknown>) => string | undefined> {
  const { Ajv } = await import("@modelcontextprotocol/client/validators/ajv")
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  return (schema) => {
    try {
      // Which dialect it says to be in, and what it calls itself, is nothing that it could be wrong by.
      ajv.compile({ ...schema, $schema: undefined, $id: undefined })
      return undefined
    } catch (error) {
      return messageOf(error)
    } finally {
      ajv.removeSchema()
    }
  }
}

/** What is forbidden is; where something is named, only that is offered. */
export function isOffered(patterns: readonly string[], name: string): boolean {
  const no = patterns.filter((pattern) => pattern.startsWith("!"))
  const yes = patterns.filter((pattern) => !pattern.startsWith("!"))
  return !no.some((pattern) => fits(pattern.slice(1), name)) && (yes.length === 0 || yes.some((pattern) => fits(pattern, name)))
}

const fits = (pattern: string, name: string): boolean => wildcard(pattern.length, name.length, (at) => pattern[at] === "*", (at, to) => pattern[at] === name[to])

/** Characters of a name that a model calls. */
const MOST_NAME = 64

/** `<server>_<tool>` in the letters that names are made of; one that is taken, or too long, ends in a mark of its own. */
export function nameFor(server: string, tool: string, taken: ReadonlySet<string>): string {
  const plain = `${server}_${tool}`.replace(/[^a-zA-Z0-9_-]/g, "_")
  if (plain.length <= MOST_NAME && !taken.has(plain)) return plain
  const mark = createHash("sha256").update(JSON.stringify([server, tool])).digest("hex").slice(0, 8)
  return `${plain.slice(0, MOST_NAME - mark.length - 1)}_${mark}`
}
