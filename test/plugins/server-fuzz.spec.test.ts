/** Whatever is asked of a route of the document, the answer is one that the document says: no 5xx, no failure without a code. */
import fc from "fast-check"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openApi, type Served } from "../fixtures/api.ts"
import { asking, flaw, operationsOf, type Case, type Operation } from "../fixtures/openapi.ts"

/** More with GRAFT_FUZZ. */
const CASES = Number(process.env.GRAFT_FUZZ ?? 6)

let api: Served, document: any, session: string
beforeAll(async () => {
  api = await openApi()
  document = (await api.ask("GET", "/openapi.json")).body
  session = (await api.ask("POST", "/sessions", { body: { title: "Fuzz" } })).body.id
  await api.ask("POST", `/sessions/${session}/prompt`, { body: { text: "say hello" } })
  await api.ask("GET", `/sessions/${session}/wait`, { query: { seconds: 30 } })
}, 60_000)
afterAll(async () => { await api[Symbol.asyncDispose]() })

/** Chance reaches nothing that ends the server, runs a command, or leaves the machine. */
const knownFor = ({ id }: Operation): Record<string, readonly unknown[]> => ({
  ...(id.startsWith("sessions.") && { id: [session, session, session, "ses_nobody"] }),
  ...(id.startsWith("plugins.") && { id: ["nobody", "title"], plugin: ["title", "nobody"] }),
  ...(id === "sessions.create" && { id: ["ses_mine", "ses_mine", "no id"], directory: [api.project, "/nowhere"] }),
  session: [session, "ses_nobody"], directory: [api.project, "/nowhere"], command: ["true", "echo fuzz"], prompt: ["look around"], seconds: [0, 1], files: [[], ["src/hello.txt"], ["nowhere.txt"]], env: [{}], spec: [{ kind: "shell", command: "true", directory: api.project }, { kind: "other" }, {}],
  provider: ["demo", "nobody"], method: ["nobody"], path: ["model", "src", "src/hello.txt", "../outside", "server.cors", "a..b"], text: ["hello", "/nobody", ""], url: ["http://localhost:1"],
})

/** Somebody else would be asked. */
const LEAVES = ["credentials.login", "models.refresh"]
const LAST = ["sessions.delete", "plugins.disable"]
const order = (a: Operation, b: Operation) => LAST.indexOf(a.id) - LAST.indexOf(b.id)

async function ask({ method, id }: Operation, { path, query, body, type }: Case): Promise<{ status: number; json: any; text: string }> {
  const url = new URL(path, api.url)
  for (const [name, value] of [...query, ["directory", api.project] as const]) url.searchParams.append(name, value)
  const send = () => fetch(url, { method, headers: { authorization: `Bearer ${api.token}`, ...(type && { "content-type": type }) }, signal: AbortSignal.timeout(20_000), ...(body !== undefined && { body }) })
  // A connection may have been given up just before it was used again: once.
  const answer = await send().catch(send)
  const text = await answer.text().catch((error: Error) => `${id}: ${error.message}`)
  return { status: answer.status, text, json: answer.headers.get("content-type") === "application/json" ? JSON.parse(text) : undefined }
}

/** What is wrong with an answer, by the document. */
function wrong({ responses }: Operation, { status, json }: Awaited<ReturnType<typeof ask>>): string | undefined {
  const said = responses[status]
  if (status === 500 || said === undefined) return "this status is not foreseen"
  if (status >= 400) return said["x-codes"].includes(json?.error?.code) ? undefined : "this code is not foreseen"
  return said.content?.["application/json"] && flaw(json, said.content["application/json"].schema, document)
}

it("answers every operation as the document says, right questions and wrong ones", async () => {
  const operations = operationsOf(document).filter(({ id }) => !LEAVES.includes(id)).sort(order)
  expect(operations.length).toBeGreaterThan(60)
  const statuses = new Set<number>()
  const failures: string[] = []
  for (const operation of operations) {
    for (const each of fc.sample(asking(operation, knownFor(operation), document), { numRuns: CASES, seed: 7 })) {
      const answer = await ask(operation, each)
      statuses.add(answer.status)
      const flaw = wrong(operation, answer)
      if (flaw) failures.push(`${operation.id}: ${flaw}\n${JSON.stringify(each).slice(0, 500)}\n→ ${answer.status} ${answer.text.slice(0, 500)}`)
    }
  }
  expect(failures.join("\n\n")).toBe("")
  expect([...statuses]).toEqual(expect.arrayContaining([200, 204, 400, 404, 409, 415]))
}, 30_000 + CASES * 2_000)
