/** Whose models want to be told what to remember; the others do it by themselves. */
import type { JSONValue } from "@ai-sdk/provider"
import type { Model } from "../model/contract.ts"

export const cachePoint = ({ id }: Model): Record<string, JSONValue> | undefined => (/^~?anthropic\//.test(id) ? { cacheControl: { type: "ephemeral" } } : undefined)
