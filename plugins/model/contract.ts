import type { Decide, Notify } from "graft"
import type { Patch } from "immer"
import type { RetryClass } from "../session/contract.ts"
import type { LanguageModelV4 } from "@ai-sdk/provider"

export interface Capabilities { tools?: boolean; parallelTools?: boolean; reasoning?: boolean; images?: boolean; pdf?: boolean; audio?: boolean; structured?: boolean; cache?: boolean }
/** Tokens. Unknown stays absent: nobody guesses. */
export interface Limits { context?: number; input?: number; output?: number; /** Who says how long the context is, where it is not simply whoever contributed it (`why` tells that): "loaded", "trained", "overflow" … */ source?: string }
/** US dollars a million tokens. */
export interface Prices { input?: number; output?: number; cacheRead?: number; cacheWrite?: number }
/** A request with more than `above` input tokens costs, as a whole, what its highest tier says; what that does not say stays as it is. */
export interface Cost extends Prices { tiers?: ({ above: number } & Prices)[] }
/** What becomes of a model's reasoning in later requests to its provider: it goes back as it came, not at all, as text, or only until a person asks again. That of other providers never goes along, but as text. */
export type Replay = "keep" | "strip" | "convert" | "last-turn"

/** A contribution to the model database: keyed by `provider/id`; later contributors override field by field. */
export interface ModelRow {
  id: string
  provider: string
  name?: string
  family?: string
  /** The id that the endpoint wants, when it differs. */
  api?: string
  capabilities?: Capabilities
  limits?: Limits
  cost?: Cost
  /** Options by variant name, e.g. reasoning effort. */
  variants?: Record<string, Record<string, unknown>>
  /** Default: keep. */
  replay?: Replay
  status?: "active" | "preview" | "deprecated"
  released?: string
}

/** A model as derived: `ref` is `provider/id`; `usable` is false with a reason when its provider is not ready, or the config forbids it. */
export interface Model extends ModelRow { ref: string; name: string; usable: boolean; reason?: string; /** It was asked for as `provider/id:variant`, which is its `ref` then: the options of this variant are the turn's, unless it sets its own. */ variant?: string }

/** A live provider. `ready` false keeps its models listed with the reason. */
export interface ProviderRow {
  id: string
  name: string
  ready: boolean
  /** Why it is not ready and what to do, in one line. */
  reason?: string
  /** Preferred first when no model is configured; the demo has 0. Default 10. */
  rank?: number
  defaultModel?: string
  smallModel?: string
  /** What sending a request a second time would mean, where nobody knows whether the first one arrived. Default "billing-only". "idempotent": it knows a request by its header `idempotency-key`. */
  retry?: RetryClass
  /** Speaks for one model. Called at each provider turn, so that a changed key or header is used by the next. */
  languageModel(model: Model, request: { headers: Record<string, string> }): LanguageModelV4 | Promise<LanguageModelV4>
}
export interface Provider { id: string; name: string; ready: boolean; reason?: string; models: number }

/** Finds the models of a provider that is asked for them, or that may have come up. Errors are shown by the provider's row. */
export interface ModelSource { provider: string; /** On this machine, and so asked before the demo is taken. */ near?: boolean; seek(): Promise<void> }

/** Edits the derived models as an immer draft, each in isolation; `by` of the patches is the plugin's. */
export interface ModelDraft { id: string; edit(models: Record<string, ModelRow>): void }

/** Who set a value: `by` is plugin@gen or "catalogue" or "config"; oldest first, the last one is live. */
export interface Provenance { ref: string; field: string; value: unknown; history: { by: string; value: unknown }[] }

/** Errors: `model.unknown` (with near names), `model.unusable` (with what to do), `model.none`, `model.refresh`. */
export interface ModelDatabase {
  /** Contributes rows. */
  register(row: ModelRow | ModelRow[]): () => void
  /** `seek`: providers are asked what they have first, each for at most 3.5 s. */
  list(query?: { text?: string; provider?: string; all?: boolean; seek?: boolean }): Promise<Model[]>
  get(ref: string): Promise<Model | undefined>
  /** The model for a turn: asked for, else configured, else the best ready provider's default. Waits up to 5 s for a provider that is still loading. */
  resolve(ref?: string, purpose?: "default" | "small", options?: { agent?: string }): Promise<Model>
  /** What may speak in a turn, in order: what was asked for, or what the config names for this agent; each as it was written. The first that can be used is what `resolve` gives. Empty: nothing is named. */
  chain(ref?: string, options?: { agent?: string }): Promise<string[]>
  /** Asks models.dev for what is new in the catalogue, now. Errors: `model.refresh`. */
  refresh(): Promise<"unchanged" | "updated">
  providers(): Promise<Provider[]>
  /** `field` is a dotted path such as `limits.context`; absent: every field. */
  why(ref: string, field?: string): Promise<Provenance[]>
}

declare module "graft" {
  interface Services { model: ModelDatabase }
  interface Slots { model: ModelRow | ModelRow[]; provider: ProviderRow; modelDraft: ModelDraft; modelSource: ModelSource }
  interface Events {
    "model.added": Notify<{ model: Model }>
    "model.updated": Notify<{ model: Model; patches: Patch[]; by: string[] }>
    "model.removed": Notify<{ model: Model }>
    "provider.added": Notify<{ provider: Provider }>
    "provider.updated": Notify<{ provider: Provider; patches: Patch[] }>
    "provider.removed": Notify<{ provider: Provider }>
    /** Picks the model for a turn; the answer is a `provider/id`. */
    "model.resolve": Decide<{ ref?: string; purpose: "default" | "small" }, string>
  }
}
