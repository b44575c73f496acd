/** `graft auth`: credentials in and out, one of several, and how they are. A secret is never an argument: those end up in histories. */
import type { Graft } from "graft"
import type { CredentialInfo } from "../../auth/contract.ts"
import { near } from "../../lib/near.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { duration, harmless, table } from "../table.ts"
import { login, type LoginFlags } from "./auth-login.ts"

const OPTIONS = {
  as: { type: "string", value: "account", about: "its name among several of one integration" },
  method: { type: "string", about: "login: key, browser, device, command or cloud, where there are several ways; or one's id" },
  command: { type: "string", value: "line", about: "login: a shell command that prints the secret, run whenever it is needed" },
  ttl: { type: "string", value: "seconds", about: "login: how long what the command printed is good for" },
  file: { type: "string", value: "path", about: "login: a file that holds the secret, read whenever it is needed" },
  "no-browser": { type: "boolean", about: "login: open none; the address is printed, and what it ends at is pasted" },
  json: { type: "boolean", about: "list, doctor: as JSON, without secrets" },
} as const satisfies Options

const NOTES = `login reads a key from the terminal, unseen, or from stdin: graft auth login anthropic < key.txt
An integration is a provider, another service ("brave", "mcp:linear"), or a company's gateway: graft auth login https://ai.example.com`

export const auth = (graft: Graft): Work => ({
  usage: usageOf("graft auth login|list|switch|logout|doctor [integration] [account]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [verb, integration, account] } = parse(argv, OPTIONS)
    const action = choose(verb, ["login", "list", "switch", "logout", "doctor"], "action")
    // Providers of a project contribute their ways to log in as well.
    using project = await graft.at(terminal.directory)
    await comeUp(graft)
    switch (action) {
      case "list": return list(project, terminal, values.json ?? false)
      case "doctor": return doctor(project, terminal, values.json ?? false)
      case "login": return login(project, terminal, integration?.includes("://") ? integration : await which(project, terminal, integration), values as LoginFlags)
      case "logout": return logout(project, terminal, await which(project, terminal, integration), account ?? values.as)
      case "switch": return turnTo(project, terminal, await which(project, terminal, integration), account ?? values.as)
      default: return action satisfies never
    }
  },
})

async function list(graft: Graft, terminal: Terminal, json: boolean): Promise<number> {
  const [have, methods] = [await graft.auth.list(), await graft.auth.methods()]
  if (json) return terminal.out(`${JSON.stringify(have)}\n`), EXIT.done
  terminal.out(table(have.map((info) => [nameOf(info), info.kind, info.hint, whereOf(info), stateOf(info, have)])))
  const missing = Object.entries(Object.groupBy(methods, ({ provider }) => provider)).filter(([provider]) => !have.some((each) => each.provider === provider))
  if (missing.length) terminal.out(`${have.length ? "\n" : ""}not logged in:\n${table(missing.map(([provider, ways]) => {
    const [variable] = ways!.flatMap(({ env }) => env)
    return [`  ${provider}`, variable ? `set ${variable}, or graft auth login ${provider}` : `graft auth login ${provider}`, ways!.find(({ url }) => url)?.url ?? ""]
  }))}`)
  return EXIT.done
}

const nameOf = ({ provider, account }: CredentialInfo): string => (account === "default" || account === "env" ? provider : `${provider} (${account})`)
const whereOf = ({ source, name }: CredentialInfo): string => (source === "env" ? `from the environment (${name})` : source === "keychain" ? "in the keychain" : name)

function stateOf(info: CredentialInfo, all: readonly CredentialInfo[], now = Date.now()): string {
  const hides = info.source === "env" ? undefined : all.find(({ provider, source }) => provider === info.provider && source === "env")
  const others = all.filter(({ provider, source }) => provider === info.provider && source !== "env").length > 1
  return [
    others && info.source !== "env" ? (info.active ? "active" : "not active") : "",
    hides ? `hidden by ${hides.name}` : "",
    info.failed ? harmless(info.failed) : info.expires !== undefined ? endOf(info.expires, now) : "",
  ].filter(Boolean).join("; ")
}

const endOf = (expires: number, now: number): string => (expires > now ? `ends in ${duration(expires - now)}` : `ended ${duration(now - expires)} ago`)

async function doctor(graft: Graft, terminal: Terminal, json: boolean): Promise<number> {
  const reports = await graft.auth.inspect()
  const sick = reports.filter(({ problems }) => problems.length > 0)
  if (json) terminal.out(`${JSON.stringify(reports)}\n`)
  else if (reports.length === 0) terminal.out("no credentials are kept, and none are in the environment; graft auth login\n")
  else terminal.out(reports.map((report) => {
    const rows: [string, string | undefined][] = [
      ["lies", `${whereOf(report)}${report.source === "file" && report.mode ? ` (mode ${report.mode})` : ""}`],
      ["active", report.shadowed ? `no: ${report.shadowed} hides it` : report.active ? "yes" : `no: graft auth switch ${report.provider} ${report.account}`],
      ["ends", report.expires === undefined ? undefined : `${new Date(report.expires).toISOString()} (${endOf(report.expires, Date.now())})`],
      ["renewed by", report.refresh],
      ...report.problems.map((problem): [string, string] => ["problem", harmless(problem)]),
    ]
    return `${nameOf(report)}, ${report.kind}${report.hint ? ` …${report.hint}` : ""}\n${table(rows.flatMap(([what, value]) => (value === undefined ? [] : [[`  ${what}`, value]])))}`
  }).join("\n"))
  return sick.length > 0 ? EXIT.failed : EXIT.done
}

async function logout(graft: Graft, terminal: Terminal, provider: string, account: string | undefined): Promise<number> {
  const whose = account === undefined ? provider : `${provider} (${account})`
  if (await graft.auth.remove(provider, account)) return terminal.out(`${whose}: the ${account === undefined ? "credentials are" : "credential is"} deleted here; at the other end it may go on being good\n`), EXIT.done
  const fromEnv = (await graft.auth.list()).find((each) => each.provider === provider && each.source === "env")
  terminal.err(fromEnv ? `${provider}: the key comes from the environment (${fromEnv.name}); unset it there\n` : `${whose}: no credential is kept\n`)
  return EXIT.failed
}

async function turnTo(graft: Graft, terminal: Terminal, provider: string, wanted: string | undefined): Promise<number> {
  const all = (await graft.auth.list()).filter((each) => each.provider === provider)
  const kept = all.filter(({ source }) => source !== "env").map(({ account }) => account)
  const account = wanted ?? (await terminal.ask(`account (${kept.join(", ")}): `))?.trim()
  if (!account) throw new UsageError(`say which account: ${kept.join(", ") || "none is kept"}`)
  const info = await graft.auth.switch(provider, account)
  const hides = all.find(({ source }) => source === "env")
  terminal.out(`${provider}: ${info.account} is used from now on${hides ? `, once ${hides.name} is unset, which hides it` : ""}\n`)
  return EXIT.done
}

async function which(graft: Graft, terminal: Terminal, wanted: string | undefined): Promise<string> {
  const known = [...new Set([...(await graft.auth.methods()), ...(await graft.auth.list())].map(({ provider }) => provider))].sort()
  if (wanted === undefined) {
    const answer = await terminal.ask(`integration (${known.join(", ")}): `)
    if (!answer?.trim()) throw new UsageError(`say which integration: ${known.join(", ")}`)
    return which(graft, terminal, answer.trim())
  }
  if (known.includes(wanted)) return wanted
  const [best] = near(wanted, known)
  throw new UsageError(`no plugin here logs in to "${wanted}"${best ? `; did you mean "${best}"?` : ""} (${known.join(", ") || "none does"})`)
}
