/** A live view of a slot from one realm, for one reader. */
import type { Board, Pinned, Remove, Row, RowChange } from "../instance.ts"
import type { Generation } from "../loader/generation.ts"
import type { Realm } from "./realm.ts"

export function makeBoard(reader: Generation, realm: Realm, slot: string): Board<any> {
  const rows = (): readonly Row<any>[] => realm.table.rows(slot).map((row) => realm.table.view(row))
  /** Where two rows share a key, the later in order is meant. */
  const find = (list: readonly Row<any>[], key: string) => list.findLast((row) => row.key === key)
  return {
    rows,
    get: (key) => find(rows(), key)?.item,
    *[Symbol.iterator]() { for (const row of realm.table.rows(slot)) yield row.item },
    pin(): Pinned<any> {
      const held = rows()
      const owners = new Set([reader, ...realm.table.rows(slot).map((row) => row.generation)])
      const releases = [...owners].map((generation) => generation.lease("stream"))
      return {
        rows: held,
        get: (key) => find(held, key),
        [Symbol.dispose]() { for (const release of releases.splice(0)) release() },
      }
    },
    onChange: (listener: (change: RowChange<any>) => void): Remove => reader.watchSlot(realm, slot, listener),
  }
}
