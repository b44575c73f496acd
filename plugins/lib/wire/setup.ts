/** What a project works with: models, credentials, settings, plugins. */
import * as v from "valibot"
import type { JournalEntry as Journal, LogEntry as Log, PluginView } from "graft"
import type * as Auth_ from "../../auth/contract.ts"
import type * as Config_ from "../../config/contract.ts"
import type * as Model_ from "../../model/contract.ts"
import { exactly, maybe } from "./exact.ts"

const number = v.number()
const text = v.string()
const yes = v.boolean()

const prices = { input: maybe(number), output: maybe(number), cacheRead: maybe(number), cacheWrite: maybe(number) }

export const Model = exactly<Model_.Model>()(v.object({
  ref: v.pipe(v.string(), v.description("provider/id")), id: text, provider: text, name: text, usable: yes, reason: maybe(text), variant: maybe(text), family: maybe(text), api: maybe(text),
  capabilities: maybe(v.object({ tools: maybe(yes), parallelTools: maybe(yes), reasoning: maybe(yes), images: maybe(yes), pdf: maybe(yes), audio: maybe(yes), structured: maybe(yes), cache: maybe(yes) })),
  limits: maybe(v.object({ context: maybe(number), input: maybe(number), output: maybe(number), source: maybe(text) })),
  cost: maybe(v.object({ ...prices, tiers: maybe(v.array(v.object({ above: number, ...prices }))) })),
  variants: maybe(v.record(v.string(), v.record(v.string(), v.unknown()))),
  replay: maybe(v.picklist(["keep", "strip", "convert", "last-turn"])), status: maybe(v.picklist(["active", "preview", "deprecated"])), released: maybe(text),
}))

export const Provider = exactly<Model_.Provider>()(v.object({ id: text, name: text, ready: yes, reason: maybe(text), models: number }))

export const Provenance = exactly<Model_.Provenance>()(v.object({ ref: text, field: text, value: v.unknown(), history: v.array(v.object({ by: text, value: v.unknown() })) }))

export const Credential = exactly<Auth_.CredentialInfo>()(v.object({
  provider: text, account: text, kind: v.picklist(["key", "oauth", "command", "file", "well-known"]), source: v.picklist(["env", "file", "keychain"]), name: text, hint: text, active: yes, expires: maybe(number), failed: maybe(text),
}))

/** Only what a face shows: of some the rest is secret. */
export const AuthMethod = exactly<Pick<Auth_.AuthMethod, "id" | "provider" | "kind" | "label" | "env" | "url">>()(v.object({ id: text, provider: text, kind: v.picklist(["key", "oauth", "command", "cloud"]), label: text, env: v.array(text), url: maybe(text) }))

const Origin = v.object({ layer: v.picklist(["default", "managed", "user", "project", "env", "flag"]), file: maybe(text), line: maybe(number), from: maybe(text), value: v.unknown(), by: maybe(text) })

export const Explanation = exactly<Config_.Explanation>()(v.object({ path: text, value: v.unknown(), winner: maybe(Origin), losers: v.array(Origin), live: v.picklist(["now", "next-turn", "restart"]) }))

export const ConfigWarning = exactly<Config_.ConfigWarning>()(v.object({ file: maybe(text), line: maybe(number), path: text, message: text, suggestion: maybe(text) }))

const strings = v.array(text)
const Generation = v.object({ gen: number, state: v.picklist(["staged", "live", "retiring", "closed"]), leases: number, hash: text, since: number, timers: number, forks: number, listeners: number, rows: number, cleanups: number })

export const Plugin = exactly<PluginView>()(v.object({
  id: text, realm: text, status: v.picklist(["live", "loading", "waiting", "failed", "disabled", "refused"]), reason: text, file: maybe(text), root: maybe(v.picklist(["built-in", "package", "user", "project"])),
  gen: number, hash: text, files: strings, services: strings, slots: v.record(v.string(), strings), events: strings, needs: strings, uses: strings, calls: number, errors: number, crashes: number, handlerMilliseconds: number,
  dropped: number, pinned: yes, generations: v.array(Generation), kept: strings,
}))

export const JournalEntry = exactly<Journal>()(v.object({
  at: number, plugin: text, realm: text, gen: number, cause: text, outcome: v.picklist(["committed", "unchanged", "failed", "waiting", "refused", "reverted", "removed", "disabled"]),
  phase: maybe(text), hash: maybe(text), message: maybe(text), where: maybe(text), frame: maybe(text), times: v.object({ settle: maybe(number), load: maybe(number), stage: maybe(number), commit: maybe(number) }),
}))

export const LogEntry = exactly<Log>()(v.object({ at: number, plugin: text, gen: number, realm: text, level: v.picklist(["debug", "info", "warn", "error"]), text }))
