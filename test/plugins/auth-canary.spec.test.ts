/**
 * A secret is where it is kept, and on its way to whom it is for; and nowhere else: no event, log, error, export, report or
 * page of the database ever holds it, whatever a vendor makes of it.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { createKernel } from "graft"
import { expect, onTestFinished, test } from "vitest"
import { auth } from "../../plugins/cli/commands/auth.ts"
import { models } from "../../plugins/cli/commands/models.ts"
import type { Terminal, Work } from "../../plugins/cli/contract.ts"
import { oauth } from "../fixtures/keyring.ts"
import { OAuthServer } from "../fixtures/oauth.ts"
import { chat, delta } from "../fixtures/vendor-chat.ts"
import { answers, streams, VendorServer, type Act } from "../fixtures/vendor-server.ts"

const KEY = "sk-canary-6f3b0a1d9c"
const only = ["auth", "config", "store", "eventlog", "session", "runner", "model", "llm", "tool", "permission", "instruction", "provider-openai-compatible"]

test("a canary is sung by nobody", async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-canary-")))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const [home, project] = [join(base, "home"), join(base, "project")]
  await using vendor = await VendorServer.open()
  await using server = await OAuthServer.open()
  vendor.route("GET /v1/models", answers(200, { object: "list", data: [{ id: "m1", object: "model" }] }))
  mkdirSync(join(project, ".git"), { recursive: true })
  mkdirSync(join(home, "config"), { recursive: true })
  writeFileSync(join(home, "config/config.jsonc"), JSON.stringify({ model: "acme/m1", catalogue: { refresh: false }, providers: { acme: { url: vendor.url } } }))

  const kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: home, only })
  /** All that was said, by whom. */
  const heard: string[] = []
  kernel.graft.on("*", (payload: unknown, { event }: { event: string }) => void heard.push(`${event} ${JSON.stringify(payload)}`))
  await kernel.start()
  const graft = await kernel.child(project)
  await kernel.settled()

  const failing = (work: Promise<unknown>) => work.then((value) => heard.push(JSON.stringify(value) ?? ""), (error: Error & { cause?: unknown; body?: string }) => heard.push(error.message, error.stack ?? "", JSON.stringify(error), String(error.cause)))
  async function run(work: Work, ...argv: string[]): Promise<void> {
    const say = (text: string) => void heard.push(text)
    const terminal: Terminal = { out: say, err: say, paint: (_, text) => text, ask: async () => undefined, input: Readable.from([]), color: false, cursor: false, interactive: false, together: false, columns: 80, rows: 24, directory: project, signal: new AbortController().signal, trap: () => () => {} }
    await failing(work.run(argv, terminal))
  }
  /** A vendor that says back what it was sent, in the words of its errors. */
  const echo = (status: number): Act => (exchange) => {
    const sent = exchange.request.headers.authorization ?? "nothing"
    exchange.head(status, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: `I was sent ${sent}, which is ${sent.replace("Bearer ", "")}`, type: "invalid_request_error", code: sent } }))
  }
  /** The same in the middle of a reply that began well. */
  const echoLate: Act = (exchange) => {
    const sent = exchange.request.headers.authorization ?? "nothing"
    return streams([delta({ role: "assistant", content: "well" }), `data: ${JSON.stringify({ error: { message: `I was sent ${sent}`, type: "invalid_request_error", code: "invalid_api_key" } })}`])(exchange)
  }
  const ended: string[] = []
  async function turn(...acts: Act[]): Promise<void> {
    vendor.script(...acts)
    const { id } = await graft.session.create({ directory: project, title: "A talk" })
    await graft.session.prompt({ session: id, text: "hello" })
    const end = await graft.session.wait(id)
    ended.push(end.state)
    heard.push(JSON.stringify(end))
    for await (const line of graft.session.export(id)) heard.push(line)
  }

  // A key, and a login in the browser that is renewed; each used in turns that go well and that go wrong.
  await graft.auth.set("acme", KEY)
  await kernel.settled()
  await graft.model.list()
  await turn(chat("fine"))
  await turn(echo(401))
  await turn(echo(400))
  vendor.script(echoLate)
  await run(models(graft), "test", "acme/m1", "--json")
  for await (const step of graft.auth.login("acme", { account: "browser", method: oauth(server.origin) })) {
    heard.push(JSON.stringify(step))
    if (step.kind === "open") await graft.auth.answer(step.login, await server.agree(step.url, { follow: false }))
  }
  await turn(chat("fine"))
  await turn(echo(403))
  await failing(graft.auth.renew("acme"))
  vendor.script(echo(500))
  await run(models(graft), "test", "acme/m1")
  vendor.script(echo(401))
  await run(models(graft), "test", "acme/m1", "--json")
  // Its server fails with what it was sent, and takes it back at last.
  const secret = async () => (await graft.auth.get("acme"))!.secret
  server.instead = (form) => ({ status: 500, body: JSON.stringify({ error: "server_error", error_description: `what is ${form.refresh_token}?` }) })
  await failing(graft.auth.renew("acme", await secret()))
  server.instead = undefined
  for await (const step of graft.auth.login("acme", { account: "again", method: oauth(server.origin) })) if (step.kind === "open") await graft.auth.answer(step.login, await server.agree(step.url, { follow: false }))
  const last = await secret()
  server.instead = (form) => ({ status: 400, body: JSON.stringify({ error: "invalid_grant", error_description: `${form.refresh_token} is old` }) })
  await failing(graft.auth.renew("acme", last))
  await graft.auth.set("other", { kind: "command", command: `echo ${"sk-can"}ary-6f3b0a1d9c; exit 1` })
  await failing(graft.auth.get("other"))
  await failing(graft.auth.set("acme", `${KEY} ${KEY}`))
  for (const argv of [["list"], ["list", "--json"], ["doctor"], ["doctor", "--json"], ["switch", "acme", "default"], ["switch", "acme", "again"]]) await run(auth(graft), ...argv)
  await kernel.settled()
  heard.push(JSON.stringify([kernel.logs(), kernel.journal(), kernel.inspect(), await graft.auth.list(), await graft.auth.methods(), await graft.model.providers()]))

  // The secrets were where they belong: at the vendor's, and in the one file.
  const canaries = [KEY, ...server.secrets]
  const sent = vendor.requests.map(({ headers }) => headers.authorization)
  expect(ended).toEqual(["done", "failed", "failed", "done", "failed"])
  expect([sent.includes(`Bearer ${KEY}`), sent.some((each) => server.secrets.includes(String(each).replace("Bearer ", "")))]).toEqual([true, true])
  expect(readFileSync(join(home, "data/auth.json"), "utf8")).toContain(last)
  expect(heard.filter((text) => /^auth\.(added|updated|refreshed|failed) /.test(text)).map((text) => text.split(" ")[0])).toEqual(expect.arrayContaining(["auth.added", "auth.refreshed", "auth.failed", "auth.updated"]))
  expect(heard.some((text) => /^credential +a login \(browser\), ….{4}, from \S+auth\.json, good until 20/m.test(text))).toBe(true)
  expect(heard.some((text) => text.includes("I was sent [redacted]") || text.includes("I was sent Bearer [redacted]"))).toBe(true)

  graft[Symbol.dispose]()
  await kernel.close()
  const files = (readdirSync(base, { recursive: true }) as string[]).map((path) => join(base, path)).filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() && !path.endsWith("/data/auth.json"))
  expect(files.some((path) => path.endsWith("graft.db"))).toBe(true)
  const said = [...heard, ...files.map((path) => readFileSync(path, "latin1"))]
  expect(canaries.length).toBeGreaterThanOrEqual(5)
  expect(said.flatMap((text) => canaries.flatMap((canary) => (text.includes(canary) ? [text.slice(Math.max(0, text.indexOf(canary) - 120), text.indexOf(canary) + 40)] : [])))).toEqual([])
})
