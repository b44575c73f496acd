/** Providers and their models as opencode and pi write them down. Pure. */
import type { Keys } from "../lib/tree.ts"
import { amount, count, text, yesNo, type Moving } from "./moving.ts"

/** Packages and protocols that an endpoint of one's own is spoken to in, or whose services take the same. */
const CHAT = /^(?:aisdk:)?@ai-sdk\/(?:openai-compatible|openai|mistral|groq|xai|cerebras|deepinfra|togetherai|gateway|vercel)$|^@openrouter\/ai-sdk-provider$|^openai-(?:completions|responses)$/
/** Those that are spoken for their vendor only, by its own plugin. */
const VENDORS: readonly (readonly [RegExp, string])[] = [
  [/^(?:aisdk:)?@ai-sdk\/anthropic$|^anthropic-messages$/, "anthropic"], [/^(?:aisdk:)?@ai-sdk\/google$|^google-generative-ai$/, "google"],
  [/^(?:aisdk:)?@ai-sdk\/google-vertex(?:\/anthropic)?$|^google-vertex$/, "google-vertex"], [/^(?:aisdk:)?@ai-sdk\/amazon-bedrock$|^bedrock-converse-stream$/, "amazon-bedrock"], [/^(?:aisdk:)?@ai-sdk\/azure$|^azure-openai-responses$/, "azure"],
]

/** True where the endpoint speaks what only a vendor is spoken to in: then nothing of it would work, and it is left. */
function isBeyond(moving: Moving, at: Keys, id: string): boolean {
  const protocol = [["npm"], ["package"], ["api", "package"], ["api"]].map((keys) => moving.at(...at, ...keys)).find((value) => typeof value === "string" && !/^https?:/.test(value)) as string | undefined
  const [, vendor] = VENDORS.find(([pattern]) => protocol !== undefined && pattern.test(protocol)) ?? []
  if (vendor === undefined || vendor === id) return false
  moving.leave(at, `${protocol} is spoken with the vendor only, as the provider "${vendor}"`)
  return true
}
const ID = /^[^\s/]+$/
const KEY_IN_FILE = "a key belongs in `graft auth login`; it holds where it is, and is not copied"

/** `!pattern` after a deny takes back. */
const PATTERN = /^[^!\s]+$/

export function isProvider(moving: Moving, id: string, from: Keys): boolean {
  if (ID.test(id)) return true
  moving.leave(from, 'a provider\'s id has no "/" and no spaces')
  return false
}

export function takeKey(moving: Moving, from: Keys, id: string, change: (key: string) => string = (key) => key): void {
  const key = moving.take(from, text)
  if (key === undefined) return
  const written = change(key)
  if (/\{(?:env|file):/.test(written)) moving.put(["providers", id, "key"], written, from)
  else moving.put(["providers", id, "key"], written, from, { secret: true, note: KEY_IN_FILE })
}

export function takeOpencodeProviders(moving: Moving, from: Keys): void {
  for (const [id, at] of moving.entries(from)) {
    if (!isProvider(moving, id, at) || isBeyond(moving, at, id)) continue
    const to = ["providers", id]
    moving.move([...at, "name"], [...to, "name"], text)
    for (const key of ["npm", "package"]) spokenAs(moving, [...at, key])
    if (typeof moving.at(...at, "api") === "string") moving.move([...at, "api"], [...to, "url"], text)
    else {
      moving.move([...at, "api", "url"], [...to, "url"], text)
      spokenAs(moving, [...at, "api", "package"])
      moving.imply([...at, "api", "type"], "the provider's plugin knows how to speak")
    }
    const [variable, ...others] = moving.texts([...at, "env"])
    if (variable && typeof moving.at(...at, "options", "apiKey") !== "string") moving.put([...to, "key"], `{env:${variable[0]}}`, variable[1])
    else if (variable) moving.leave(variable[1], "there is a key, which counts")
    for (const [, keys] of others) moving.leave(keys, "one variable holds the key here")
    for (const options of ["options", "settings"]) takeOptions(moving, [...at, options], id)
    for (const place of [[...at, "request"], at]) {
      moving.map([...place, "headers"], [...to, "headers"])
      for (const [name, keys, value] of moving.entries([...place, "body"])) moving.put([...to, "body", name], value, keys)
    }
    for (const [model, keys] of moving.texts([...at, "blacklist"])) deny(moving, `${id}/${model}`, keys)
    const only = moving.texts([...at, "whitelist"])
    if (only.length > 0) deny(moving, `${id}/*`, only[0]![1])
    for (const [model, keys] of only) deny(moving, `!${id}/${model}`, keys)
    for (const [model, keys] of moving.entries([...at, "models"])) takeOpencodeModel(moving, keys, id, model)
    moving.leave([...at, "id"], "its name in the file is its id")
    moving.leave([...at, "auth"], "`graft auth` knows which key is used")
    moving.leave([...at, "discoverModels"], "Graft asks every endpoint what it has")
  }
}

export function deny(moving: Moving, pattern: string, keys: Keys): void {
  if (PATTERN.test(pattern.replace(/^!/, ""))) moving.push(["models", "deny"], pattern, keys)
  else moving.leave(keys, "it is no id of a model")
}

function spokenAs(moving: Moving, from: Keys): void {
  const name = moving.take(from, text)
  if (name === undefined) return
  if (CHAT.test(name) || VENDORS.some(([pattern]) => pattern.test(name))) moving.imply(from, "the provider's plugin, or Chat Completions, is what it means")
  else moving.leave(from, `Graft has no plugin for ${name}; what is here is spoken to as Chat Completions`)
}

const OPTIONS: Readonly<Record<string, string>> = { region: "region", location: "region", project: "project", profile: "profile", resourceName: "resource", apiVersion: "version" }

function takeOptions(moving: Moving, at: Keys, id: string): void {
  const to = ["providers", id]
  for (const [name, keys, value] of moving.entries(at)) {
    if (name === "baseURL" || name === "baseUrl" || name === "endpoint") moving.move(keys, [...to, "url"], text)
    else if (name === "apiKey") takeKey(moving, keys, id)
    else if (name === "headers") moving.map(keys, [...to, "headers"])
    else if (name === "body" || name === "extraBody") for (const [field, place, each] of moving.entries(keys)) moving.put([...to, "body", field], each, place)
    else if (Object.hasOwn(OPTIONS, name)) moving.move(keys, [...to, OPTIONS[name]!], text)
    else if (/timeout$/i.test(name)) moving.leave(keys, "a silent provider is noticed by Graft: plugins.llm.idle says after how long")
    else if (name === "setCacheKey" || name === "store") moving.leave(keys, "Graft keeps the cached prefix by itself")
    else moving.leave(keys, `there is no option "${name}"${value === null ? "" : " of a provider"}; fields of every request stand in providers.${id}.body`)
  }
}

const MODALITIES: Readonly<Record<string, string>> = { image: "images", pdf: "pdf", audio: "audio" }

function takeOpencodeModel(moving: Moving, at: Keys, provider: string, id: string): void {
  if (id === "" || typeof moving.at(...at) !== "object" || moving.at(...at) === null) return moving.leave(at, "an object is expected")
  const to = ["providers", provider, "models", id]
  const here = moving.at(...at) as Record<string, unknown>
  if (Object.keys(here).length === 0) return moving.ensure(to, at)
  moving.move([...at, "name"], [...to, "name"], text)
  moving.move([...at, "id"], [...to, "api"], text)
  moving.move([...at, "family"], [...to, "family"], text)
  moving.move([...at, "release_date"], [...to, "released"], text)
  if (typeof here.api === "object") { moving.move([...at, "api", "id"], [...to, "api"], text); spokenAs(moving, [...at, "api", "package"]); moving.imply([...at, "api", "type"], "the provider's plugin knows how to speak") }
  moving.move([...at, "reasoning"], [...to, "capabilities", "reasoning"], yesNo)
  for (const key of ["tool_call", "tools"]) moving.move([...at, key], [...to, "capabilities", "tools"], yesNo)
  moving.move([...at, "capabilities", "tools"], [...to, "capabilities", "tools"], yesNo)
  modalities(moving, [...at, "modalities", "input"], to)
  modalities(moving, [...at, "capabilities", "input"], to)
  for (const place of ["modalities", "capabilities"]) moving.imply([...at, place, "output"], "Graft takes text, and tool calls")
  if (moving.at(...at, "modalities", "input") === undefined) moving.move([...at, "attachment"], [...to, "capabilities", "images"], yesNo)
  else moving.imply([...at, "attachment"], "its modalities say it")
  for (const key of ["context", "input", "output"]) moving.move([...at, "limit", key], [...to, "limits", key], count)
  takeOpencodeCost(moving, [...at, "cost"], [...to, "cost"])
  for (const [name, keys, value] of moving.entries([...at, "variants"])) variant(moving, keys, to, name, value)
  moving.move([...at, "status"], [...to, "status"], text, (status) => (status === "deprecated" ? "deprecated" : status === "active" ? "active" : "preview"))
  const disabled = moving.take([...at, "disabled"], yesNo)
  if (disabled === true) deny(moving, `${provider}/${id}`, [...at, "disabled"])
  else if (disabled === false) moving.imply([...at, "disabled"], "it is so by default")
  spokenAs(moving, [...at, "provider", "npm"])
  moving.leave([...at, "options"], `what is added to every request of a model is a variant of it: providers.${provider}.models.${id}.variants`)
  moving.leave([...at, "request"], "headers and body are a provider's here, not a model's")
  moving.leave([...at, "headers"], "headers are a provider's here, not a model's")
  moving.leave([...at, "temperature"], "Graft sets no temperature")
  moving.leave([...at, "interleaved"], "how reasoning is replayed is known of the model")
  moving.imply([...at, "experimental"], "nothing hangs on it")
}

/** Named by their key, or in a list by their id. */
function variant(moving: Moving, keys: Keys, to: Keys, name: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return moving.leave(keys, "an object is expected")
  const { disabled, ...options } = value as Record<string, unknown>
  if (disabled === true) return moving.leave(keys, "a variant that is not wanted need not be chosen")
  moving.put([...to, "variants", name], options, keys)
}

function modalities(moving: Moving, from: Keys, to: Keys): void {
  for (const [name, keys] of moving.texts(from)) {
    const capability = Object.hasOwn(MODALITIES, name) ? MODALITIES[name] : undefined
    if (capability) moving.put([...to, "capabilities", capability], true, keys)
    else if (name === "text") moving.imply(keys, "text goes without saying")
    else moving.leave(keys, `Graft gives a model no ${name}`)
  }
}

const PRICES = [["input", "input"], ["output", "output"], ["cache_read", "cacheRead"], ["cache_write", "cacheWrite"]] as const

function takeOpencodeCost(moving: Moving, at: Keys, to: Keys): void {
  for (const [key, field] of PRICES) moving.move([...at, key], [...to, field], amount)
  moving.move([...at, "cache", "read"], [...to, "cacheRead"], amount)
  moving.move([...at, "cache", "write"], [...to, "cacheWrite"], amount)
  const over = moving.entries([...at, "context_over_200k"])
  const prices = Object.fromEntries(over.flatMap(([key, keys]) => {
    const [, field] = PRICES.find(([theirs]) => theirs === key) ?? []
    const price = field && moving.take(keys, amount)
    return field && price !== undefined ? [[field, price] as const] : []
  }))
  if (Object.keys(prices).length > 0) moving.put([...to, "tiers"], [{ above: 200_000, ...prices }], [...at, "context_over_200k"])
}

/** models.json of pi: models in a list, changes of known ones by id. */
export function takePiProviders(moving: Moving, from: Keys): void {
  for (const [id, at] of moving.entries(from)) {
    if (!isProvider(moving, id, at) || isBeyond(moving, at, id)) continue
    const to = ["providers", id]
    moving.move([...at, "name"], [...to, "name"], text)
    moving.move([...at, "baseUrl"], [...to, "url"], text)
    spokenAs(moving, [...at, "api"])
    if (String(moving.at(...at, "apiKey")).startsWith("!")) moving.leave([...at, "apiKey"], "a command that prints the key is a credential of its own: graft auth login")
    else takeKey(moving, [...at, "apiKey"], id, variableOf)
    for (const [name, keys, value] of moving.entries([...at, "headers"])) {
      if (typeof value !== "string") moving.leave(keys, "a text is expected")
      else if (value.startsWith("!")) moving.leave(keys, "headers are texts with {env:X} or {file:x} in them")
      else moving.put([...to, "headers", name], variableOf(value), keys)
    }
    moving.leave([...at, "authHeader"], "the key goes along as it is")
    moving.leave([...at, "compat"], "what an endpoint does not take is found out by its plugin")
    const list = moving.at(...at, "models")
    if (Array.isArray(list)) list.forEach((_, i) => takePiModel(moving, [...at, "models", String(i)], id))
    else if (list !== undefined) moving.leave([...at, "models"], "a list is expected")
    for (const [model, keys] of moving.entries([...at, "modelOverrides"])) takePiFields(moving, keys, id, model)
  }
}

/** Capitals name a variable there; so does a dollar sign. */
const variableOf = (value: string): string => (/^[A-Z][A-Z\d_]{2,}$/.test(value) ? `{env:${value}}` : value.replace(/^\$\{?([A-Za-z_]\w*)\}?$/, "{env:$1}"))

function takePiModel(moving: Moving, at: Keys, provider: string): void {
  const id = moving.take([...at, "id"], text)
  if (id === undefined) return moving.leave(at, 'a model has an "id"')
  moving.ensure(["providers", provider, "models", id], [...at, "id"])
  takePiFields(moving, at, provider, id)
}

function takePiFields(moving: Moving, at: Keys, provider: string, id: string): void {
  const to = ["providers", provider, "models", id]
  moving.move([...at, "name"], [...to, "name"], text)
  moving.move([...at, "reasoning"], [...to, "capabilities", "reasoning"], yesNo)
  modalities(moving, [...at, "input"], to)
  moving.move([...at, "contextWindow"], [...to, "limits", "context"], count)
  moving.move([...at, "maxTokens"], [...to, "limits", "output"], count)
  for (const key of ["input", "output", "cacheRead", "cacheWrite"]) moving.move([...at, "cost", key], [...to, "cost", key], amount)
  spokenAs(moving, [...at, "api"])
  moving.leave([...at, "headers"], "headers are a provider's here, not a model's")
  moving.leave([...at, "compat"], "what an endpoint does not take is found out by its plugin")
}
