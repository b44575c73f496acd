/** A live view of a slot from one realm, for one reader. */
import type { Board, Pinned, Remove, Row, RowChange } from "../instance.ts"
import type { Generation } from "../loader/generation.ts"
import type { Realm } from "./realm.ts"
import type { SlotRow } from "./table.ts"

export function makeBoard(reader: Generation, realm: Realm, slot: string): Board<any> {
  const rows = (): readonly SlotRow[] => realm.table.rows(slot)
  /** Where two rows share a key, the later in order is meant. */
  const find = (list: readonly Row<any>[], key: string) => list.findLast((row) => row.key === key)
  return {
    rows,
    get: (key) => find(rows(), key)?.item,
    *[Symbol.iterator]() { for (const { item } of rows()) yield item },
    pin(): Pinned<any> {
      const held = rows()
      const owners = new Set([reader, ...held.map(({ generation }) => generation)])
      const releases = [...owners].map((generation) => generation.lease(generation.streams))
      return {
        rows: held,
        get: (key) => find(held, key),
        [Symbol.dispose]() { for (const release of releases.splice(0)) release() },
      }
    },
    onChange: (listener: (change: RowChange<any>) => void): Remove => reader.watchSlot(realm, slot, listener),
  }
}
