/**
 * Writes plugins/EVENTS.md: every hook and every fact, from their declarations, their owners' policy, and the places that
 * raise them. Run by hand: `node scripts/generate-events.ts`. A spec holds the committed page against this, and another
 * fires every one of them.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSync } from "rolldown/utils"
import { nounOf } from "../kernel/bus/bus.ts"
import { BOUNDS } from "../kernel/clock.ts"
import type { Definition } from "../kernel/instance.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
export const PAGE = join(root, "plugins/EVENTS.md")

type Kind = "notify" | "mutate" | "decide"
/** Where it is told: for the process, in a project, or wherever the plugin lives that it is about. */
export type Realm = "process" | "project" | "either"
export interface Declared { event: string; kind: Kind; /** Its type arguments, as text. */ types: string[]; doc: string; owner: string }
export interface Described extends Declared { by: string[]; realm: Realm }

// ── syntax ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Node { type: string; start: number; end: number; [field: string]: any }
interface Source { path: string; text: string; body: Node[]; comments: Node[] }

const sources = new Map<string, Source>()
function open(path: string): Source {
  let source = sources.get(path)
  if (!source) {
    const text = readFileSync(join(root, path), "utf8")
    const { program, comments, errors } = parseSync(path, text, { lang: "ts" })
    if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`)
    sources.set(path, (source = { path, text, body: program.body as never, comments: comments as never }))
  }
  return source
}

function* walk(node: unknown): Generator<Node> {
  if (Array.isArray(node)) for (const each of node) yield* walk(each)
  else if (node !== null && typeof node === "object") {
    if (typeof (node as Node).type === "string") yield node as Node
    yield* walk(Object.values(node))
  }
}

/** The text of a type on one line, without its comments. */
const lineOf = ({ text }: Source, { start, end }: Node) => text.slice(start, end).replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/\s+/g, " ").trim()

/** The doc comment right before a node. */
function docOf({ text, comments }: Source, { start }: Node): { from: number; words: string } {
  const comment = comments.findLast((each) => each.end <= start)
  if (!comment || comment.type !== "Block" || !comment.value.startsWith("*") || !/^\s*(?:export\s+)?$/.test(text.slice(comment.end, start))) return { from: start, words: "" }
  return { from: comment.start, words: comment.value.replaceAll(/^\s*\*+ ?/gm, "").replaceAll(/\s+/g, " ").trim() }
}

const declarationsIn = ({ body }: Source): Node[] => body.map((node) => (node.type === "ExportNamedDeclaration" && node.declaration) || node)
const find = (source: Source, name: string): Node | undefined => declarationsIn(source).find((node) => node.id?.name === name)

// ── what is declared ──────────────────────────────────────────────────────────────────────────────────────────────

const VOCABULARY = "kernel/vocabulary.ts"
const ownerOf = (path: string): string => (path.startsWith("kernel/") ? "kernel" : path.split("/")[1]!)
/** Templates are somebody else's code. */
const code = (): string[] => globSync(["kernel/**/*.ts", "plugins/*/**/*.ts"], { cwd: root, exclude: ["**/templates"] }).sort()
const contracts = (): string[] => [VOCABULARY, ...globSync("plugins/*/contract.ts", { cwd: root }).sort()]

/** Every hook and event, in the order of their files, with the nodes of their types. */
function* declarations(): Generator<Declared & { source: Source; nodes: Node[] }> {
  for (const source of contracts().map(open)) {
    const augmented = source.body.filter((node) => node.type === "TSModuleDeclaration" && node.id.value === "graft").flatMap((node) => node.body.body as Node[])
    for (const node of [...declarationsIn(source), ...augmented]) {
      if (node.type !== "TSInterfaceDeclaration" || node.id.name !== "Events") continue
      for (const { expression } of node.extends) yield* mapped(source, expression.name)
      for (const member of node.body.body) yield declared(source, member, member.typeAnnotation.typeAnnotation)
    }
  }
}

/** `type Told = { [T in keyof Facts]: Notify<Of<Facts[T]>> }`: one event a member of Facts. */
function* mapped(source: Source, name: string): Generator<Declared & { source: Source; nodes: Node[] }> {
  const { typeAnnotation: map } = find(source, name)!
  const facts = find(source, map.constraint.typeAnnotation.typeName.name)!
  const each = lineOf(source, map.constraint.typeAnnotation)
  for (const member of facts.body.body) {
    const type = member.typeAnnotation.typeAnnotation as Node
    const of = declared(source, member, map.typeAnnotation)
    yield { ...of, types: of.types.map((text) => text.replaceAll(`${each}[${map.key.name}]`, lineOf(source, type))), nodes: [...of.nodes.map((node) => ({ ...node, typeArguments: undefined })), type] }
  }
}

function declared(source: Source, member: Node, reference: Node): Declared & { source: Source; nodes: Node[] } {
  const nodes = reference.typeArguments.params as Node[]
  return { source, nodes, event: member.key.value, kind: reference.typeName.name.toLowerCase(), types: nodes.map((node) => lineOf(source, node)), doc: docOf(source, member).words, owner: ownerOf(source.path) }
}

// ── who raises it, and where ──────────────────────────────────────────────────────────────────────────────────────

/** By plugin: what its definition says. */
async function definitions(): Promise<Map<string, Definition>> {
  const entries = globSync("plugins/*/index.ts", { cwd: root }).sort()
  return new Map(await Promise.all(entries.map(async (path) => [ownerOf(path), ((await import(new URL(`../${path}`, import.meta.url).href)) as { default: Definition }).default] as const)))
}

/** Calls that raise, or write down what the log tells: their first arguments name the event. */
const RAISING = new Set(["emit", "mutate", "decide", "tell", "fact"])

interface Call { verb: string; /** The names of what it is called on. */ on: string[]; /** On one thing or another. */ either: boolean; arguments: readonly (Node | undefined)[] }
const callsIn = (path: string): Call[] => [...walk(open(path).body)].filter(({ type }) => type === "CallExpression").map(({ callee, arguments: args }) => {
  const object = [...walk(callee.object)]
  return { verb: callee.property?.name ?? callee.name, on: object.flatMap(({ name }) => name ?? []), either: object.some(({ type }) => type === "LogicalExpression"), arguments: args }
})

interface Raised { event: string; by: string; realms: readonly Realm[] }
/** Raised with the instance that a plugin was given, it is raised where the plugin lives; with another one (`graft.at`), in a project. */
function raisedIn(path: string, events: ReadonlySet<string>, per: (plugin: string) => Realm): Raised[] {
  const by = ownerOf(path)
  const realmsOf = ({ on, either, verb, arguments: [first] }: Call): Realm[] => {
    if (by === "kernel") return [first?.property?.name === "root" ? "process" : "either"]
    const own = verb === "fact" || on.includes("graft") || on.includes("ledger")
    return [...(own ? [per(by)] : []), ...(!own || either ? ["project" as const] : [])]
  }
  return callsIn(path).filter(({ verb }) => RAISING.has(verb)).flatMap((call) => {
    const named = walk(call.arguments.slice(0, 2).filter((node) => /^(Literal|ConditionalExpression)$/.test(node?.type ?? "")))
    return [...named].filter(({ value }) => events.has(value)).map(({ value: event }) => ({ event, by, realms: realmsOf(call) }))
  })
}

/** What listens to a hook already, and how. */
const listeningIn = (path: string): { event: string; words: string }[] => callsIn(path).filter(({ verb, arguments: [event] }) => verb === "on" && event?.type === "Literal").map(({ arguments: [event, , options] }) => {
  const said = Object.fromEntries(((options?.properties ?? []) as Node[]).map(({ key, value }) => [key.name, lineOf(open(path), value)]))
  return { event: event!.value, words: `${ownerOf(path)} at ${said.order ?? 0}${said.deadline ? `, deadline ${said.deadline}` : ""}` }
})

/** Every hook and event with who raises it; an event that nobody raises is an error. */
export async function describeEvents(): Promise<Described[]> {
  const known = await definitions()
  const all = [...declarations()]
  const events = new Set(all.map(({ event }) => event))
  const raised = Map.groupBy(code().flatMap((path) => raisedIn(path, events, (plugin) => (known.get(plugin)?.per === "location" ? "project" : "process"))), ({ event }) => event)
  return all.map(({ event, kind, types, doc, owner, nodes }) => {
    const places = raised.get(event) ?? []
    const realms = new Set(places.flatMap(({ realms }) => realms))
    // What stands in the log of a session is told in the session's project, whoever wrote it.
    const durable = nodes[0]?.typeName?.name === "Durable"
    return { event, kind, types, doc, owner, by: [...new Set(places.map(({ by }) => by))].sort(), realm: durable ? "project" : realms.size === 1 ? [...realms][0]! : "either" }
  })
}

// ── the types that their payloads are made of ─────────────────────────────────────────────────────────────────────

/** Where a name that a file uses is declared, if in a contract. */
function declaredAt(source: Source, name: string): Source | undefined {
  if (find(source, name)) return source
  for (const { type, specifiers, source: from } of source.body) {
    if (type !== "ImportDeclaration" || !specifiers.some((each: Node) => each.local.name === name)) continue
    const path = from.value === "graft" ? VOCABULARY : relative(root, join(root, dirname(source.path), from.value))
    return existsSync(join(root, path)) && path.endsWith(".ts") ? declaredAt(open(path), name) : undefined
  }
  return undefined
}

/** By owner, each type that a payload names, with those that it names in turn. */
function typesOf(starts: readonly { source: Source; nodes: Node[] }[]): Map<string, string[]> {
  const found = new Map<Node, Source>()
  const visit = (source: Source, nodes: readonly Node[]): void => {
    for (const { type, typeName, expression } of walk(nodes)) {
      const name = type === "TSTypeReference" ? typeName.name : type === "TSInterfaceHeritage" ? expression.name : undefined
      const at = name === undefined ? undefined : declaredAt(source, name)
      const node = at && find(at, name)!
      if (!node || found.has(node)) continue
      found.set(node, at)
      visit(at, [node])
    }
  }
  for (const { source, nodes } of starts) visit(source, nodes)
  const inOrder = [...found].sort(([a, left], [b, right]) => (left.path === right.path ? a.start - b.start : left.path < right.path ? -1 : 1))
  const texts = inOrder.filter(([node]) => node.type !== "TSMappedType").map(([node, source]) => [ownerOf(source.path), source.text.slice(docOf(source, node).from, node.end).replace(/(^|\n)export /, "$1")] as const)
  return new Map([...Map.groupBy(texts, ([owner]) => owner)].map(([owner, entries]) => [owner, entries.map(([, text]) => text)]))
}

// ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────

const number = (value: number): string => value.toLocaleString("en")
const time = (milliseconds: number): string => (milliseconds < 1_000 ? `${milliseconds} ms` : `${milliseconds / 1_000} s`)
const WHERE: Record<Realm, string> = { process: "for the process", project: "in the project", either: "in the realm that it concerns" }
const table = (head: readonly string[], rows: readonly string[][]): string => [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n")

export async function eventsPage(): Promise<string> {
  const known = await definitions()
  const all = await describeEvents()
  const mute = all.filter(({ by }) => by.length === 0).map(({ event }) => event)
  if (mute.length > 0) throw new Error(`declared, and raised by nobody: ${mute.join(", ")}`)
  const policyOf = (event: string) => [...known.values()].map(({ events }) => events?.[event]).find((policy) => policy)
  const hooks = all.filter(({ kind }) => kind !== "notify")
  const facts = Map.groupBy(all.filter(({ kind }) => kind === "notify"), ({ event }) => nounOf(event))
  const listeners = Map.groupBy(code().flatMap(listeningIn), ({ event }) => event)
  const nameless = hooks.filter(({ doc }) => doc === "").map(({ event }) => event)
  if (nameless.length > 0) throw new Error(`a hook says in one line what it is for: ${nameless.join(", ")}`)

  const hookRow = ({ event, kind, types, by, realm, doc }: Described): string[] => [
    `\`${event}\``, kind, [kind === "decide" ? "until one answers" : "each", ...(listeners.get(event) ?? []).map(({ words }) => words)].join("; "), time(policyOf(event)?.deadline ?? BOUNDS.handler),
    types.map((type) => `\`${type}\``).join(" → "), `${by.join(", ")}, ${WHERE[realm]}`, doc,
  ]
  const origin = ({ by, realm }: Described): string => `By ${by.join(", ")}, ${WHERE[realm]}.`
  /** What most of a noun's facts share is said once. */
  const section = ([noun, list]: readonly [string, Described[]]): string => {
    const [[usual]] = [...Map.groupBy(list, origin)].sort(([, a], [, b]) => b.length - a.length) as [[string, unknown]]
    const lines = list.map((fact) => {
      const { cap, coalesce, deadline } = policyOf(fact.event) ?? {}
      const said = [fact.doc && fact.doc.replace(/(?<![.?!])$/, "."), origin(fact) !== usual && origin(fact), cap && `Up to ${number(cap)} wait.`, coalesce && "Of those that wait with one key the latest counts.", deadline && `A handler has ${time(deadline)}.`].filter(Boolean)
      return `- **${fact.event}** \`${fact.types[0]}\`${said.length ? `  \n  ${said.join(" ")}` : ""}`
    })
    return `### ${noun}\n\n${usual}\n\n${lines.join("\n")}`
  }
  const types = typesOf([...declarations()])

  return `# Hooks and events

What a plugin can take part in, and what it can hear: ${hooks.length} hooks, and ${all.length - hooks.length} facts of ${facts.size} nouns.
Generated by \`scripts/generate-events.ts\` from the declarations; change those, not this.

A project's plugin hears what is raised in its project, and what concerns the process; one that is per process hears everything. \`graft.on("*", …)\` hears every fact.

## Hooks

Awaited by whoever raises them. **mutate**: each listener gets a draft and may change it; one that throws, is late or breaks the schema is left out alone. **decide**: the first answer that is not \`undefined\` counts. A listener may set its own \`deadline\` (\`Infinity\` only where a person is asked).
First come the listeners that are per process, then the project's; among them the lower \`order\` (default 0), then built-in, package, user, project, then the plugin's id, then its lines.

${table(["hook", "kind", "order", "deadline", "payload", "raised by", "what it is for"], hooks.map(hookRow))}

## Facts

Told after they happened, in the order of each noun, and never awaited. Up to ${number(BOUNDS.cap)} of one event wait for a slow listener, then the oldest is dropped and counted; a handler has ${time(BOUNDS.notify)}. What differs is said.

${[...facts].sort(([a], [b]) => (a < b ? -1 : 1)).map(section).join("\n\n")}

## Types

${[...types].map(([owner, texts]) => `### ${owner}\n\n\`\`\`ts\n${texts.join("\n")}\n\`\`\``).join("\n\n")}
`
}

if (import.meta.main) {
  // What the kernel does for its plugins, and the config of the tests for them.
  registerHooks({ resolve: (specifier, context, next) => next(specifier === "graft" ? new URL("../kernel/index.ts", import.meta.url).href : specifier, context) })
  writeFileSync(PAGE, await eventsPage())
}
