/** An endpoint that speaks Chat Completions: a vendor that needs no plugin of its own. An entry of the config with its id changes what it says. */
export interface EndpointRow {
  id: string
  name?: string
  /** Most end in /v1. */
  url: string
  /** Variables that hold its key, in order; absent: it takes none. */
  env?: readonly string[]
  /** Where a person gets a key. */
  page?: string
}

declare module "graft" {
  interface Slots { endpoint: EndpointRow }
}
