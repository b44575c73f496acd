/** The tool `mcp_find`: where servers offer too much to be told of, a model looks for what it needs, and has it from the next turn on. */
import * as v from "valibot"
import type { ToolDefinition } from "../../tool/contract.ts"
import type { Offer } from "./offers.ts"

const MOST = 10
/** Characters of one description in the answer: the whole comes with the tool. */
const MOST_ABOUT = 300

const input = v.object({ query: v.pipe(v.string(), v.regex(/\S/, "some words"), v.maxLength(200), v.description("Words for what you need, or a tool's name")) })

export const makeFind = (offers: readonly Offer[], found: (names: readonly string[]) => void): ToolDefinition<typeof input> => ({
  name: "mcp_find",
  description: `Looks among ${offers.length} tools of MCP servers that are not listed here (${summary(offers)}). What it finds can be called from your next step on.`,
  input,
  effects: ["read"],
  execute({ query }) {
    const hits = search(offers, query)
    if (hits.length === 0) return `nothing fits "${query}"; the servers are: ${summary(offers)}`
    found(hits.map(({ name }) => name))
    return { output: `These can be called from your next step on:\n${hits.map(({ name, tool }) => `- ${name}: ${tool.description.replace(/\s+/g, " ").slice(0, MOST_ABOUT)}`).join("\n")}`, title: `${query} (${hits.length})` }
  },
})

function summary(offers: readonly Offer[]): string {
  const counts = Map.groupBy(offers, ({ server }) => server.name)
  return [...counts].map(([name, { length }]) => `${name}: ${length}`).join(", ").slice(0, 1_000)
}

/** Best first: each word counts once, more in a name than in a description. */
function search(offers: readonly Offer[], query: string): Offer[] {
  const words = [...new Set(query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean))]
  const score = ({ name, tool }: Offer) => words.reduce((sum, word) => sum + (name.toLowerCase().includes(word) ? 3 : tool.description.toLowerCase().includes(word) ? 1 : 0), name === query.trim() ? 100 : 0)
  return offers.map((offer) => ({ offer, score: score(offer) })).filter(({ score }) => score > 0).sort((a, b) => b.score - a.score || (a.offer.name < b.offer.name ? -1 : 1)).slice(0, MOST).map(({ offer }) => offer)
}
