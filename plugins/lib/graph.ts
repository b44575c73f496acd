/** Who needs whom: plugins as boxes, services as arrows from who uses them to who provides them; as text, Mermaid or SVG. Pure. */
import type { KernelView, PluginView } from "graft"

export interface Node { id: string; realm: string; status: string; root: string; services: string[]; slots: Record<string, string[]>; files: number }
/** `needed`: it cannot be live without; else it asks for something now and then. */
export interface Edge { from: string; to: string; service: string; needed: boolean }
export interface Graph { nodes: Node[]; edges: Edge[]; /** Needs that nobody meets. */ unmet: { plugin: string; service: string }[] }

/** `around`: only this plugin, what it needs, and who needs it. One plugin in several projects is one box. */
export function graphOf({ realms }: KernelView, around?: string): Graph {
  const plugins = [...new Map(realms.flatMap((realm) => realm.plugins).map((plugin) => [plugin.id, plugin])).values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const providers = new Map(plugins.flatMap(({ id, services }) => services.map((service) => [service, id] as const)))
  const edges = plugins.flatMap(({ id, needs, uses }) => [...new Set([...needs, ...uses])].flatMap((service): Edge[] => {
    const to = providers.get(service)
    return to === undefined || to === id ? [] : [{ from: id, to, service, needed: needs.includes(service) }]
  }))
  const unmet = plugins.flatMap(({ id, needs }) => needs.filter((service) => !providers.has(service)).map((service) => ({ plugin: id, service })))
  const near = around === undefined ? undefined : new Set([around, ...edges.flatMap(({ from, to }) => (from === around ? [to] : to === around ? [from] : []))])
  const kept = (id: string) => near?.has(id) ?? true
  return { nodes: plugins.filter(({ id }) => kept(id)).map(nodeOf), edges: edges.filter(({ from, to }) => kept(from) && kept(to) && (around === undefined || from === around || to === around)), unmet: unmet.filter(({ plugin }) => kept(plugin)) }
}

const nodeOf = ({ id, realm, status, root, services, slots, files }: PluginView): Node => ({ id, realm, status, root: root ?? "put", services, slots, files: files.length })

export function asText({ nodes, edges, unmet }: Graph): string {
  const lines = nodes.map(({ id, status, root, services, slots }) => {
    const rows = Object.entries(slots).map(([slot, keys]) => `${slot} ${keys.length > 4 ? `×${keys.length}` : keys.join(", ")}`)
    const asks = (needed: boolean) => edges.filter((edge) => edge.from === id && edge.needed === needed).map(({ service }) => service)
    const users = edges.filter(({ to }) => to === id).map(({ from }) => from)
    return [`${id}${status === "live" ? "" : `  (${status})`}${root === "built-in" ? "" : `  [${root}]`}`, ...said("provides", services), ...said("adds", rows), ...said("needs", asks(true)), ...said("uses", asks(false)), ...said("used by", [...new Set(users)])].join("\n")
  })
  return [...lines, ...unmet.map(({ plugin, service }) => `${plugin} needs ${service}, which nobody provides`)].join("\n") + "\n"
}
const said = (what: string, names: readonly string[]): string[] => (names.length > 0 ? [`  ${what.padEnd(8)} ${names.join(", ")}`] : [])

export function asMermaid({ nodes, edges }: Graph): string {
  const name = (id: string) => id.replaceAll(/[^a-zA-Z0-9]/g, "_")
  const boxes = nodes.map(({ id, status }) => `  ${name(id)}["${id}${status === "live" ? "" : ` (${status})`}"]`)
  return ["graph LR", ...boxes, ...edges.map(({ from, to, service, needed }) => `  ${name(from)} ${needed ? "-->" : "-.->"}|${service}| ${name(to)}`)].join("\n") + "\n"
}

const [WIDTH, HEIGHT, ACROSS, DOWN] = [190, 26, 70, 12]

/** In columns: to the right of whoever needs it stands what is needed. */
export function asSvg({ nodes, edges }: Graph): string {
  const columns = layered(nodes, edges)
  const places = new Map(columns.flatMap((column, x) => column.map((id, y) => [id, { x: 20 + x * (WIDTH + ACROSS), y: 20 + y * (HEIGHT + DOWN) }] as const)))
  const width = 40 + columns.length * (WIDTH + ACROSS) - ACROSS
  const height = 40 + Math.max(0, ...columns.map(({ length }) => length)) * (HEIGHT + DOWN)
  const arrows = edges.map(({ from, to, service, needed }) => {
    const [a, b] = [places.get(from)!, places.get(to)!]
    const [x1, y1, x2, y2] = [a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2]
    return `<path d="M${x1} ${y1} C${x1 + ACROSS / 2} ${y1} ${x2 - ACROSS / 2} ${y2} ${x2} ${y2}" class="${needed ? "edge" : "edge now"}"><title>${text(`${from} ${needed ? "needs" : "uses"} ${service} of ${to}`)}</title></path>`
  })
  const boxes = nodes.map(({ id, status, root, services, files }) => {
    const { x, y } = places.get(id)!
    return `<g class="${status === "live" ? (root === "built-in" ? "box" : "box own") : "box off"}"><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="5"/><text x="${x + 10}" y="${y + 17}">${text(id)}</text><title>${text(`${id}: ${status}, ${root}, ${files} files${services.length > 0 ? `, provides ${services.join(", ")}` : ""}`)}</title></g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<style>svg{background:#fff}.edge{fill:none;stroke:#9aa5b1;stroke-width:1}.now{stroke-dasharray:3 3;stroke:#cbd2d9}.box rect{fill:#f4f6f8;stroke:#7b8794}.own rect{fill:#e3f8ff;stroke:#1992d4}.off rect{fill:#ffeeee;stroke:#cf1124}text{fill:#1f2933}</style>
${arrows.join("\n")}
${boxes.join("\n")}
</svg>
`
}

/** As far right as the longest way to it; who is in a circle counts its way once. */
function layered(nodes: readonly Node[], edges: readonly Edge[]): string[][] {
  const depths = new Map<string, number>()
  const users = new Map<string, string[]>()
  for (const { from, to } of edges) users.set(to, [...(users.get(to) ?? []), from])
  const depth = (id: string, path: ReadonlySet<string>): number => {
    const known = depths.get(id)
    if (known !== undefined) return known
    const above = (users.get(id) ?? []).filter((user) => !path.has(user)).map((user) => depth(user, new Set([...path, id])))
    const found = above.length > 0 ? Math.max(...above) + 1 : 0
    depths.set(id, found)
    return found
  }
  const columns: string[][] = []
  for (const { id } of nodes) (columns[depth(id, new Set([id]))] ??= []).push(id)
  return Array.from(columns, (column) => column ?? [])
}

const text = (words: string): string => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
