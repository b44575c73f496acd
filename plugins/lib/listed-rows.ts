/** What an endpoint lists, as rows of the model database. One row a model, keyed by its id, so that one changed model is one change. */
import type { ModelRow } from "../model/contract.ts"
import type { Listed } from "./model-listing.ts"

export function rowsOf(provider: string, listed: readonly Listed[]): ModelRow[] {
  return listed.map(({ id, name, context, output, source, cost, images, tools, reasoning }) => {
    const limits = { ...(context !== undefined && { context }), ...(output !== undefined && { output }), ...(source !== undefined && { source }) }
    const capabilities = { ...(images && { images }), ...(tools !== undefined && { tools }), ...(reasoning !== undefined && { reasoning }) }
    return {
      id, provider,
      ...(name !== undefined && { name }),
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(Object.keys(capabilities).length > 0 && { capabilities }),
      ...(cost !== undefined && { cost }),
    }
  })
}
