/**
 * The vendors of the slot `endpoint`: each is a provider as long as its row is there, ready as soon as its key is. The
 * catalogue knows their models; they are asked for theirs only when somebody looks, or wants one that is not known.
 */
import type { Graft, Remove } from "graft"
import { chatVendor } from "../lib/chat-vendor.ts"
import { rowsOf } from "../lib/listed-rows.ts"
import { listModels } from "../lib/model-listing.ts"
import { speakFor } from "../lib/vendor.ts"
import type { EndpointRow } from "./contract.ts"

export class Vendors {
  readonly #graft: Graft
  readonly #open = new Map<string, { row: EndpointRow; removes: Remove[] }>()
  #work: Promise<void> = Promise.resolve()

  constructor(graft: Graft) { this.#graft = graft }

  /** Belongs in setup. The own rows count from the commit on, so they are brought along. */
  open(own: readonly EndpointRow[]): Promise<void> {
    const board = this.#graft.all("endpoint")
    board.onChange(() => void this.#compare([...board]))
    return this.#compare([...own, ...board])
  }

  /** Ends when every row that is there has its provider. */
  settled(): Promise<void> { return this.#work }

  #compare(rows: readonly EndpointRow[]): Promise<void> {
    return (this.#work = this.#work.then(async () => {
      const wanted = new Map(rows.map((row) => [row.id, row]))
      for (const [id, { row, removes }] of this.#open) {
        if (JSON.stringify(wanted.get(id)) === JSON.stringify(row)) continue
        this.#open.delete(id)
        for (const remove of removes) remove()
      }
      // One after the other: their providers stand in the order of the rows.
      for (const row of wanted.values()) if (!this.#open.has(row.id)) await this.#begin(row)
    }))
  }

  async #begin(row: EndpointRow): Promise<void> {
    const { auth, config, location, retiring, signal } = this.#graft
    const removes: Remove[] = []
    this.#open.set(row.id, { row, removes })
    const kept = (remove: Remove): Remove => (removes.push(remove), remove)
    const add: Graft["add"] = (slot, items, options) => kept(this.#graft.add(slot, items, options))
    const on = ((event: "config.changed", handler: () => unknown) => kept(this.#graft.on(event, handler))) as Graft["on"]
    const { ready, connect } = await speakFor({ add, on, auth, config, location, retiring }, chatVendor(row))
    let withdraw: Remove = () => {}
    add("modelSource", { provider: row.id, seek: async () => {
      if (!ready()) return
      const { url = row.url, key, headers } = await connect()
      const found = await listModels({ url, headers: { ...(key && { authorization: `Bearer ${key}` }), ...headers } }, signal)
      const before = withdraw
      if (!retiring.aborted) withdraw = add("model", rowsOf(row.id, found))
      before()
    } })
  }
}
