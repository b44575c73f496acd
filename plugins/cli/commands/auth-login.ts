/** `graft auth login`: by a key, in a browser here or elsewhere, with a code, by a command or a file; by a person or a script. */
import { spawn } from "node:child_process"
import { homedir } from "node:os"
import { resolve } from "node:path"
import type { Graft } from "graft"
import type { AuthMethod, CredentialInfo, LoginStep, OAuthMethod } from "../../auth/contract.ts"
import { UsageError } from "../arguments.ts"
import type { Terminal } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { readPrompt } from "../stdin.ts"
import { harmless } from "../table.ts"

export interface LoginFlags { as?: string; method?: string; command?: string; ttl?: string; file?: string; "no-browser"?: boolean }

export async function login(graft: Graft, terminal: Terminal, integration: string, flags: LoginFlags): Promise<number> {
  if (integration.includes("://")) return atGateway(graft, terminal, integration, flags)
  const ways = [flags.command, flags.file, flags.method].filter((way) => way !== undefined)
  if (ways.length > 1) throw new UsageError("one of --command, --file and --method")
  if (flags.command !== undefined) return done(graft, terminal, await graft.auth.set(integration, { kind: "command", command: flags.command, ...(flags.ttl !== undefined && { ttl: secondsIn(flags.ttl) }) }, flags.as))
  if (flags.file !== undefined) return done(graft, terminal, await graft.auth.set(integration, { kind: "file", path: resolve(terminal.directory, flags.file.replace(/^~(?=\/)/, homedir())) }, flags.as))
  const methods = (await graft.auth.methods()).filter(({ provider }) => provider === integration)
  return by(graft, terminal, integration, await chosen(methods, terminal, integration, flags.method), flags)
}

function secondsIn(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError("--ttl is a number of seconds")
  return Number(text)
}

async function by(graft: Graft, terminal: Terminal, integration: string, method: AuthMethod | undefined, flags: LoginFlags): Promise<number> {
  if (method?.kind === "cloud") return terminal.out(`${integration}: nothing is kept here; ${harmless(method.help)}\n`), EXIT.done
  if (method?.kind === "command") return done(graft, terminal, await graft.auth.set(integration, { kind: "command", command: method.command }, flags.as))
  if (method?.kind === "oauth") return done(graft, terminal, await inSteps(graft, terminal, integration, method, flags))
  const key = (await terminal.ask(`${method ? harmless(method.label) : "Key"} for ${integration}${method?.url ? ` (${harmless(method.url)})` : ""}, not shown: `, { secret: true })) ?? (await readPrompt(terminal.input, { patient: false, signal: terminal.signal }))
  if (!key?.trim()) throw new UsageError("no key was given")
  return done(graft, terminal, await graft.auth.set(integration, key.trim(), flags.as))
}

async function done(graft: Graft, terminal: Terminal, { provider, account, hint, source, name, kind }: CredentialInfo): Promise<number> {
  const whose = account === "default" ? provider : `${provider} (${account})`
  terminal.out(`${whose}: ${kind === "key" ? hint : kind} kept in ${source === "keychain" ? "the keychain" : name}\n`)
  const hides = (await graft.auth.list()).find((each) => each.provider === provider && each.source === "env")
  if (hides) terminal.err(`${provider}: it is used once ${hides.name} is unset, which hides it\n`)
  return EXIT.done
}

/** Undefined: a key, where no plugin says how. A person is asked where there are several; a script that pipes something in brings a key. */
async function chosen(methods: readonly AuthMethod[], terminal: Terminal, integration: string, wanted: string | undefined): Promise<AuthMethod | undefined> {
  if (wanted !== undefined) {
    const found = methods.find((method) => method.id === wanted || wayOf(method) === wanted)
    if (!found && wanted !== "key") throw new UsageError(`${integration} has no way to log in called "${wanted}": ${[...new Set(methods.map(wayOf))].join(", ") || "key"}`)
    return found
  }
  if (methods.length <= 1 || !terminal.interactive) return methods.find(({ kind }) => kind === "key") ?? methods[0]
  terminal.err(methods.map((method, at) => `  ${at + 1}  ${harmless(method.label)} (${wayOf(method)})\n`).join(""))
  const answer = (await terminal.ask(`which way? [1] `))?.trim() || "1"
  const found = methods[Number(answer) - 1] ?? methods.find((method) => wayOf(method) === answer || method.id === answer)
  if (!found) throw new UsageError(`say a number from 1 to ${methods.length}`)
  return found
}

const wayOf = (method: AuthMethod): string => (method.kind === "oauth" ? (method.flow === "device" ? "device" : "browser") : method.kind)

async function inSteps(graft: Graft, terminal: Terminal, integration: string, method: OAuthMethod, flags: LoginFlags): Promise<CredentialInfo> {
  const stop = new AbortController()
  const signal = AbortSignal.any([terminal.signal, stop.signal])
  for await (const step of graft.auth.login(integration, { method, signal, ...(flags.as !== undefined && { account: flags.as }) })) {
    if (step.kind === "done") return step.credential
    if (step.kind === "code") say(terminal, step)
    // What is pasted and what comes back by itself are waited for at once.
    else void show(graft, terminal, step, flags).catch((error: unknown) => stop.abort(error))
  }
  throw new UsageError("the login was given up")
}

function say(terminal: Terminal, { url, code, complete, expires }: Extract<LoginStep, { kind: "code" }>): void {
  const minutes = Math.max(1, Math.round((expires - Date.now()) / 60_000))
  terminal.err(`Open ${harmless(url)} on any device, and type the code ${terminal.paint("bold", harmless(code))}${complete ? `\n(or open ${harmless(complete)})` : ""}\nWaiting, ${minutes} minutes at most; Ctrl-C gives up.\n`)
}

async function show(graft: Graft, terminal: Terminal, { login: id, url, redirect }: Extract<LoginStep, { kind: "open" }>, flags: LoginFlags): Promise<void> {
  terminal.err(`Open this address in a browser:\n\n  ${harmless(url)}\n\n`)
  const browser = flags["no-browser"] || !terminal.interactive ? undefined : browserHere()
  if (browser) spawn(browser[0], [...browser.slice(1), url], { detached: true, stdio: "ignore" }).on("error", () => {}).unref()
  const question = `${redirect ? "Waiting for it; if it ends at a page that cannot be shown, paste that page's address here: " : "Paste the address at which it ends, or the code that it shows: "}`
  const pasted = terminal.interactive ? await terminal.ask(question) : await readPrompt(terminal.input, { patient: true, signal: terminal.signal })
  if (pasted?.trim()) await graft.auth.answer(id, pasted.trim())
  else if (terminal.interactive && pasted === undefined) throw new UsageError("the login was given up")
  else if (redirect === undefined) throw new UsageError("nothing was pasted, and the browser cannot come back by itself")
}

/** What opens a browser on this machine; undefined where no person sits before it. */
export function browserHere(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): [string, ...string[]] | undefined {
  if (env.SSH_CONNECTION || env.SSH_TTY) return undefined
  if (platform === "darwin") return ["open"]
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"]
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ["xdg-open"] : undefined
}

/** One login opens all that a company's gateway offers. */
async function atGateway(graft: Graft, terminal: Terminal, address: string, flags: LoginFlags): Promise<number> {
  const { url, name, provider, method, providers } = await graft.auth.gateway(address)
  terminal.err(`${harmless(name)} (${url}) offers ${providers.map(harmless).join(", ") || "nothing"}\n`)
  const code = await by(graft, terminal, provider, method, flags)
  if (code !== EXIT.done) return code
  const account = flags.as ?? new URL(url).hostname
  for (const each of providers) await done(graft, terminal, await graft.auth.set(each, { kind: "well-known", url }, account))
  return EXIT.done
}
