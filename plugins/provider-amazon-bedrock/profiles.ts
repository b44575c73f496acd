/** The files in ~/.aws: sections in brackets, a key and a value a line. Those of the config are called "profile x", but "default". */
export type Profile = Readonly<Record<string, string>>

export function profilesIn(text: string): Map<string, Profile> {
  const found = new Map<string, Record<string, string>>()
  let section: Record<string, string> | undefined
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[\s*(?:profile\s+)?["']?([^\]"']+?)["']?\s*\]/.exec(line) ?? []
    if (name !== undefined) found.set(name, (section = found.get(name) ?? {}))
    // What is indented belongs to a key of its own, which is none of ours.
    const [, key, value] = /^([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (section && key !== undefined) section[key] = value!.replace(/\s+[#;].*$/, "")
  }
  return found
}
