/** Words of the command line that are settings: they hold above all other layers, in this process. */
import type { Graft } from "graft"

export interface Flags { allow?: string[]; "allow-everything"?: boolean; deny?: string[]; offline?: boolean; trust?: boolean }

export async function setFlags(graft: Graft, { allow: rules, deny, offline, trust, ...more }: Flags, location: string): Promise<void> {
  const allow = more["allow-everything"] ? [...(rules ?? []), "*"] : rules
  await graft.config.flags({ ...((allow || deny) && { permissions: { ...(allow && { allow }), ...(deny && { deny }) } }), ...(offline && { offline }) })
  if (trust) await graft.trust.allow(location)
}
