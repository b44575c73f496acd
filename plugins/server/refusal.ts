/** How a refusal reads, whoever refuses. */
import type { Refusal } from "./contract.ts"

export const bodyOf = ({ code, message, field, hint }: Refusal): string => JSON.stringify({ error: { code, message, ...(field !== undefined && { field }), ...(hint !== undefined && { hint }) } })

export const headersOf = ({ headers }: Refusal): Record<string, string> => ({ "content-type": "application/json", "cache-control": "no-store", ...headers })

export const answerOf = (refusal: Refusal): Response => new Response(bodyOf(refusal), { status: refusal.status, headers: headersOf(refusal) })
