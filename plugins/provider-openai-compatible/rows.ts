/** What an endpoint lists, as rows of the model database. One row a model, keyed by its id, so that one changed model is one change. */
import type { ModelRow } from "../model/contract.ts"
import type { Listed } from "./listing.ts"

export function rowsOf(provider: string, listed: readonly Listed[]): ModelRow[] {
  return listed.map(({ id, name, context, output, images, tools }) => {
    const limits = { ...(context !== undefined && { context }), ...(output !== undefined && { output }) }
    const capabilities = { ...(images && { images }), ...(tools !== undefined && { tools }) }
    return {
      id, provider,
      ...(name !== undefined && { name }),
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(Object.keys(capabilities).length > 0 && { capabilities }),
    }
  })
}
