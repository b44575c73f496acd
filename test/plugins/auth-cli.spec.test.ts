/** `graft auth` serves a person before a browser, one without, and a script: each logs in, sees how it stands, and no secret is shown. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Readable } from "node:stream"
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest"
import type { AuthMethod, CredentialReport } from "../../plugins/auth/contract.ts"
import { browserHere } from "../../plugins/cli/commands/auth-login.ts"
import { auth } from "../../plugins/cli/commands/auth.ts"
import type { Terminal } from "../../plugins/cli/contract.ts"
import { webOf } from "../../plugins/provider-github-copilot/login.ts"
import { openRing, oauth, type Ring } from "../fixtures/keyring.ts"
import { OAuthServer } from "../fixtures/oauth.ts"
import { answers, VendorServer } from "../fixtures/vendor-server.ts"

const KEY = "sk-canary-0123456789"
const SOON = { timeout: 10_000, interval: 5 }
let open: Ring
let server: OAuthServer
const addresses = /https?:\/\/\S+/

beforeEach(async () => {
  [open, server] = await Promise.all([openRing(), OAuthServer.open()])
  mkdirSync(join(open.home, "project", ".git"), { recursive: true })
  const methods: AuthMethod[] = [
    { id: "acme.key", provider: "acme", kind: "key", label: "Acme API key", env: ["GRAFT_TEST_ACME"], url: "https://acme.example/keys" },
    oauth(server.origin), oauth(server.origin, { id: "acme.device", flow: "device", label: "Acme with a code" }),
    { id: "cloudy.cloud", provider: "cloudy", kind: "cloud", label: "Cloudy", env: [], help: "run cloudy login" },
    { id: "forge.gh", provider: "git:forge", kind: "command", label: "the forge's own program", env: [], command: `echo ${KEY}` },
    oauth(server.origin, { id: "only.oauth", provider: "only" }),
  ]
  open.graft.add("authMethod", methods)
})
afterEach(async () => {
  await open[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

interface Given { input?: string; /** What a person answers, by the beginning of the question; it may take its time. */ answers?: (question: string) => string | undefined | Promise<string | undefined>; err?(text: string): void }

async function graft(argv: string[], { input = "", answers: answer, err: hear }: Given = {}): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""]
  const terminal: Terminal = {
    out: (text) => { out += text }, err: (text) => { err += text; hear?.(err) }, paint: (_, text) => text, ask: async (question) => answer?.(question), input: Readable.from(input === "" ? [] : [input]),
    color: false, cursor: false, interactive: answer !== undefined, together: false, columns: 80, rows: 24, directory: join(open.home, "project"), signal: new AbortController().signal, trap: () => () => {},
  }
  const code = await auth(open.graft).run(argv, terminal)
  expect(out + err).not.toMatch(/canary/)
  return { code, out, err }
}

test("a key is typed unseen or piped in, and each account has a name", async () => {
  expect(await graft(["login", "acme"], { input: `${KEY}\n` })).toMatchObject({ code: 0, out: `acme: 6789 kept in ${open.file}\n` })
  expect((await graft(["login", "acme", "--as", "work", "--method", "key"], { answers: (question) => (question.startsWith("Acme API key for acme (https://acme.example/keys), not shown") ? `${KEY}-work` : undefined) })).out).toContain("acme (work): work kept in")
  expect((await graft(["list"])).out).toMatch(/^acme +key +6789 .* not active\nacme \(work\) +key +work .* active\n\nnot logged in:\n/)
  expect((await graft(["switch", "acme", "default"])).out).toBe("acme: default is used from now on\n")
  expect((await graft(["switch", "acme"], { answers: (question) => (question === "account (default, work): " ? "work" : undefined) })).out).toBe("acme: work is used from now on\n")
  expect(JSON.parse((await graft(["list", "--json"])).out)).toMatchObject([{ account: "default", active: false }, { account: "work", active: true }])
  expect((await graft(["logout", "acme", "work"])).out).toContain("acme (work): the credential is deleted here")
  expect(await graft(["logout", "acme", "work"])).toMatchObject({ code: 1, err: "acme (work): no credential is kept\n" })
  expect((await graft(["logout", "acme"])).out).toContain("acme: the credentials are deleted here")
})

test("a person before a browser is asked for the way, and the browser comes back by itself", async () => {
  const { promise: never } = Promise.withResolvers<undefined>()
  vi.stubEnv("SSH_CONNECTION", "elsewhere")
  onTestFinished(() => void vi.unstubAllEnvs())
  let agreed = false
  const found = await graft(["login", "acme"], {
    answers: (question) => (question.startsWith("which way?") ? "2" : never),
    err: (text) => {
      const [url] = addresses.exec(text) ?? []
      if (!url || !text.endsWith("\n\n") || agreed) return
      agreed = true
      void server.agree(url)
    },
  })
  expect(found).toMatchObject({ code: 0, out: `acme: oauth kept in ${open.file}\n`, err: expect.stringMatching(/^ {2}1 {2}Acme API key \(key\)\n {2}2 {2}Acme \(browser\)\n {2}3 {2}Acme with a code \(device\)\nOpen this address in a browser:/) })
  expect((await graft(["list"])).out).toMatch(/^acme +oauth .* ends in \d+ min/)
})

test("without a browser the address is pasted, by a person or a script; who gives up has changed nothing", async () => {
  const pasting = (text: string) => server.agree(addresses.exec(text)![0], { follow: false })
  let said = ""
  const err = (text: string) => { said = text }
  expect((await graft(["login", "acme", "--method", "browser", "--no-browser"], { err, answers: () => pasting(said) })).code).toBe(0)
  await graft(["logout", "acme"])
  await open.kernel.drop("server")
  expect((await graft(["login", "only"], { err, answers: (question) => (question.startsWith("Paste the address") ? pasting(said) : undefined) })).code).toBe(0)
  await graft(["logout", "only"])
  await expect(graft(["login", "only"], { answers: () => undefined })).rejects.toMatchObject({ code: "cli.usage", message: "the login was given up" })
  await expect(graft(["login", "only"])).rejects.toMatchObject({ code: "cli.usage", message: expect.stringContaining("nothing was pasted") })
  expect(await open.graft.auth.list()).toEqual([])
})

test("on another device a code is typed", async () => {
  const login = graft(["login", "acme", "--method", "device"])
  server.device = "yes"
  await vi.waitFor(() => { if (open.clock.pass(1_000, 590_000) === 0) throw new Error("nobody waits") }, SOON)
  expect(await login).toMatchObject({ code: 0, err: `Open ${server.origin}/device on any device, and type the code WDJB-MJHT\n(or open ${server.origin}/device?code=WDJB-MJHT)\nWaiting, 15 minutes at most; Ctrl-C gives up.\n` })
  expect([webOf("https://api.github.com"), webOf("https://ghe.example/api/v3/"), webOf("https://api.acme.ghe.com"), webOf(server.origin)]).toEqual(["https://github.com", "https://ghe.example", "https://acme.ghe.com", server.origin])
})

test("a command, a file, a program of the integration's own, and what is found by itself", async () => {
  expect((await graft(["login", "acme", "--command", `echo ${"sk-can"}ary`, "--ttl", "60"])).out).toBe(`acme: command kept in ${open.file}\n`)
  expect((await open.graft.auth.get("acme"))!.secret).toBe("sk-canary")
  writeFileSync(join(open.home, "project", "token"), KEY, { mode: 0o600 })
  expect((await graft(["login", "acme", "--file", "token"])).code).toBe(0)
  expect((await open.graft.auth.get("acme"))!.secret).toBe(KEY)
  expect((await graft(["login", "git:forge"])).code).toBe(0)
  expect((await open.graft.auth.get("git:forge"))!.secret).toBe(KEY)
  expect(await graft(["login", "cloudy"])).toMatchObject({ code: 0, out: "cloudy: nothing is kept here; run cloudy login\n" })
  for (const argv of [["login", "acme", "--command", "x", "--file", "y"], ["login", "acme", "--command", "x", "--ttl", "soon"], ["login", "acme", "--method", "magic"], ["login", "acmee"], ["login"], ["forget"]]) await expect(graft(argv)).rejects.toMatchObject({ code: "cli.usage" })
  await expect(graft(["login", "acmee"])).rejects.toThrow('did you mean "acme"?')
  await expect(graft(["login", "acme", "--file", "/nowhere"])).rejects.toMatchObject({ code: "auth.invalid" })
})

test("a gateway opens all that it offers with one login", async () => {
  await using gateway = await VendorServer.open()
  gateway.route("GET /.well-known/graft", answers(200, { version: 1, name: "Acme AI", auth: { kind: "key", label: "Acme key" }, providers: { anthropic: { url: `${gateway.origin}/a` }, openai: { url: `${gateway.origin}/o` } } }))
  const { out, err } = await graft(["login", gateway.origin], { input: KEY })
  expect(err).toBe(`Acme AI (${gateway.origin}) offers anthropic, openai\n`)
  expect(out.split("\n").map((line) => line.split(":")[0])).toEqual(["gateway", "anthropic (127.0.0.1)", "openai (127.0.0.1)", ""])
  expect(await open.graft.auth.get("openai")).toMatchObject({ secret: KEY, url: `${gateway.origin}/o` })
})

test("doctor says how each stands, and is no success where one is sick", async () => {
  expect((await graft(["doctor"])).out).toContain("no credentials are kept")
  await graft(["login", "acme"], { input: KEY })
  vi.stubEnv("GRAFT_TEST_ACME", `${KEY}-env`)
  onTestFinished(() => void vi.unstubAllEnvs())
  expect((await graft(["login", "acme"], { input: KEY })).err).toBe("acme: it is used once GRAFT_TEST_ACME is unset, which hides it\n")
  const { code, out } = await graft(["doctor"])
  expect([code, out]).toEqual([0, `acme, key …-env\n  lies        from the environment (GRAFT_TEST_ACME)\n  active      yes\n  renewed by  whoever sets the variable\n\nacme, key …6789\n  lies        ${open.file} (mode 0600)\n  active      no: GRAFT_TEST_ACME hides it\n  renewed by  you: keys do not end by themselves here\n`])
  expect((await graft(["list"])).out).toContain("hidden by GRAFT_TEST_ACME")
  expect(await graft(["logout", "acme"])).toMatchObject({ code: 0 })
  expect(await graft(["logout", "acme"])).toMatchObject({ code: 1, err: "acme: the key comes from the environment (GRAFT_TEST_ACME); unset it there\n" })
  const token = join(open.home, "project", "token")
  writeFileSync(token, KEY)
  await graft(["login", "git:forge", "--file", token])
  rmSync(token)
  const sick = await graft(["doctor", "--json"])
  expect([sick.code, (JSON.parse(sick.out) as CredentialReport[]).find(({ provider }) => provider === "git:forge")!.problems]).toEqual([1, [`${token} is not there`]])
})

test("a browser is opened only where a person may sit before it", () => {
  expect([browserHere({}, "linux"), browserHere({ DISPLAY: ":0" }, "linux"), browserHere({ DISPLAY: ":0", SSH_CONNECTION: "x" }, "linux"), browserHere({}, "darwin"), browserHere({ SSH_TTY: "x" }, "darwin")]).toEqual([undefined, ["xdg-open"], undefined, ["open"], undefined])
})
