/** Whose file is it? What the watchdog and the last words of a process look up in a stack. */
import type { Graft } from "graft"
import { hashOf, type Culprit } from "../lib/quarantine.ts"

/** `stranger`: it did not come with Graft, so it can be left out. */
export interface Member { id: string; gen: number; file: string; files: readonly string[]; stranger: boolean }

export function roster({ kernel }: Pick<Graft, "kernel">): Member[] {
  return kernel.inspect().realms.flatMap(({ plugins }) => plugins).flatMap(({ id, gen, file, files, root }) => (gen > 0 && file && files.length > 0 ? { id, gen, file, files, stranger: root !== "built-in" } : []))
}

/** The innermost frame that belongs to one plugin alone. */
export function ownerIn(stack: string, members: readonly Member[]): Member | undefined {
  const owners = Map.groupBy(members.flatMap((member) => member.files.map((path) => ({ path, member }))), ({ path }) => path)
  for (const frame of stack.split("\n").slice(1)) {
    const path = /\(?((?:\/|[A-Za-z]:\\).*?):\d+:\d+\)?$/.exec(frame)?.[1]
    const found = path === undefined ? undefined : owners.get(path)
    if (found && found.every(({ member }) => member.file === found[0]!.member.file)) return found[0]!.member
  }
  return undefined
}

export const culpritOf = ({ id, file, files }: Member, deed: string): Culprit => ({ plugin: id, file, files: Object.fromEntries(files.map((path) => [path, hashOf(path)])), deed, at: Date.now() })
