/** `graft auth`: keys in and out. A key is typed unseen or piped in, never an argument: those end up in histories. */
import type { Graft } from "graft"
import { near } from "../../lib/near.ts"
import { choose, parse, UsageError, usageOf } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"
import { readPrompt } from "../stdin.ts"
import { table } from "../table.ts"

export const auth = (graft: Graft): Work => ({
  usage: usageOf("graft auth login|logout|list [provider]", {}, "login reads the key from the terminal, unseen, or from stdin: graft auth login anthropic < key.txt"),
  async run(argv, terminal) {
    const { positionals: [verb, provider] } = parse(argv, {})
    const action = choose(verb, ["login", "logout", "list"], "action")
    // Providers of a project contribute their ways to log in as well.
    using project = await graft.at(terminal.directory)
    await comeUp(graft)
    if (action === "list") return list(project, terminal)
    const id = await which(project, terminal, provider)
    if (action === "logout") return logout(project, terminal, id)
    const key = (await terminal.ask(`API key for ${id} (not shown): `, { secret: true })) ?? (await readPrompt(terminal.input, { patient: false, signal: terminal.signal }))
    if (!key?.trim()) throw new UsageError("no key was given")
    const { name, hint } = await project.auth.set(id, key.trim())
    terminal.out(`${id}: ${hint} kept in ${name}\n`)
    return EXIT.done
  },
})

async function list(graft: Graft, terminal: Terminal): Promise<number> {
  const [have, methods] = [await graft.auth.list(), await graft.auth.methods()]
  terminal.out(table(have.map(({ provider, source, name, hint }) => [provider, hint, source === "env" ? `from the environment (${name})` : name])))
  const missing = methods.filter(({ provider }) => !have.some((each) => each.provider === provider))
  if (missing.length) terminal.out(`${have.length ? "\n" : ""}not logged in:\n${table(missing.map(({ provider, env, url }) => [`  ${provider}`, env.length ? `set ${env[0]}, or graft auth login ${provider}` : `graft auth login ${provider}`, url ?? ""]))}`)
  return EXIT.done
}

async function logout(graft: Graft, terminal: Terminal, provider: string): Promise<number> {
  if (await graft.auth.remove(provider)) return terminal.out(`${provider}: the key is deleted\n`), EXIT.done
  const fromEnv = (await graft.auth.list()).find((each) => each.provider === provider && each.source === "env")
  terminal.err(fromEnv ? `${provider}: the key comes from the environment (${fromEnv.name}); unset it there\n` : `${provider}: no key is kept\n`)
  return EXIT.failed
}

async function which(graft: Graft, terminal: Terminal, wanted: string | undefined): Promise<string> {
  const known = [...new Set([...(await graft.auth.methods()), ...(await graft.auth.list())].map(({ provider }) => provider))].sort()
  if (wanted === undefined) {
    const answer = await terminal.ask(`provider (${known.join(", ")}): `)
    if (!answer?.trim()) throw new UsageError(`say which provider: ${known.join(", ")}`)
    return which(graft, terminal, answer.trim())
  }
  if (known.includes(wanted)) return wanted
  const [best] = near(wanted, known)
  throw new UsageError(`no plugin here logs in to "${wanted}"${best ? `; did you mean "${best}"?` : ""} (${known.join(", ") || "none does"})`)
}
