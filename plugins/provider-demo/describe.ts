/** What can be said of a file from its text alone, by rules: nothing is guessed, what is not found is not said. */

const LANGUAGES: Readonly<Record<string, string>> = { ts: "TypeScript", tsx: "TypeScript", mts: "TypeScript", js: "JavaScript", mjs: "JavaScript", cjs: "JavaScript", jsx: "JavaScript", py: "Python", rb: "Ruby", go: "Go", rs: "Rust", java: "Java", c: "C", h: "C", cpp: "C++", cs: "C#", php: "PHP", sh: "shell", css: "CSS", html: "HTML", sql: "SQL", toml: "TOML", yml: "YAML", yaml: "YAML", json: "JSON", jsonc: "JSON", md: "Markdown" }
const IMPORT = /^\s*(?:import\s(?:.*?from\s+)?["']([^"']+)["']|(?:const|let|var)\s.*require\(["']([^"']+)["']\)|from\s+([\w.]+)\s+import|import\s+([\w.]+)|use\s+([\w:]+)|#include\s+[<"]([^>"]+)[>"])/
const DEFINITION = /^\s*(?:export\s+)?(?:default\s+)?(?:pub(?:\([^)]*\))?\s+)?(?:abstract\s+|async\s+|static\s+)*(function\*?|class|interface|type|enum|def|func|fn|struct|trait|const|let|module)\s+([A-Za-z_$][\w$]*)/
const MOST = 20

/** How a file is built. */
export function describeFile(path: string, text: string): string {
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? ""
  const lines = text.split("\n")
  const language = LANGUAGES[extension]
  const facts = [`\`${path}\` is ${language ? `a ${language} file` : "a text file"} of ${count(text === "" ? 0 : lines.length, "line")}.`]
  if (extension === "json") facts.push(...describeJson(text))
  else if (extension === "md") {
    const headings = lines.flatMap((line) => (/^#{1,3}\s+\S/.test(line) ? [line.replace(/^#+\s+/, "")] : []))
    if (headings.length > 0) facts.push(`Its headings: ${some(headings)}.`)
  } else facts.push(...describeCode(lines))
  return facts.join(" ")
}

function describeCode(lines: readonly string[]): string[] {
  const comment = firstComment(lines)
  const imports = lines.flatMap((line) => IMPORT.exec(line)?.slice(1).find((group) => group !== undefined) ?? [])
  const definitions = lines.flatMap((line) => {
    const match = DEFINITION.exec(line)
    const top = match !== null && (!/^\s/.test(line) || match[1] === "def")
    return top && (!["const", "let"].includes(match[1]!) || line.includes("export")) ? [`${match[2]!}`] : []
  })
  return [
    ...(comment ? [`It says of itself: "${comment}"`] : []),
    ...(imports.length > 0 ? [`It imports ${some(imports)}.`] : []),
    ...(definitions.length > 0 ? [`It defines ${some(definitions)}.`] : []),
  ]
}

function firstComment(lines: readonly string[]): string | undefined {
  const start = lines.findIndex((line) => line.trim() !== "" && !line.startsWith("#!"))
  const said: string[] = []
  for (const line of lines.slice(Math.max(0, start), start + 12)) {
    const match = /^\s*(?:\/\*\*?|\*(?!\/)|\/\/+|#+|"""|--)\s?(.*)$/.exec(line)
    if (!match) break
    said.push(match[1]!.replace(/\s*(?:\*\/|""")\s*$/, ""))
    if (/\*\/\s*$/.test(line)) break
  }
  const text = said.join(" ").replaceAll(/\s+/g, " ").trim()
  return text === "" ? undefined : text
}

function describeJson(text: string): string[] {
  const value = parsed(text)
  if (value === undefined) return ["It is not valid JSON."]
  if (Array.isArray(value)) return [`It is a list of ${count(value.length, "item")}.`]
  return isRecord(value) ? [`Its keys: ${some(Object.keys(value))}.`] : [`It holds ${JSON.stringify(value)}.`]
}

/** What a project is, by its package.json. */
export function describeProject(text: string): string {
  const manifest = parsed(text)
  if (!isRecord(manifest)) return "`package.json` is there, but it is not a JSON object, so it does not tell what this project is."
  const word = (key: string) => (typeof manifest[key] === "string" && manifest[key] !== "" ? (manifest[key] as string) : undefined)
  const names = (key: string) => (isRecord(manifest[key]) ? Object.keys(manifest[key]) : [])
  const commands = isRecord(manifest.scripts) ? Object.entries(manifest.scripts).filter(([, command]) => typeof command === "string") : []
  const traits = [word("version") && `version ${word("version")}`, word("license") && `licence ${word("license")}`, manifest.private === true && "private", manifest.type === "module" && "ES modules"].filter(Boolean)
  const facts = [`This project is **${word("name") ?? "not named"}**${traits.length > 0 ? ` (${traits.join(", ")})` : ""}${word("description") ? `: ${word("description")}` : ", and has no description."}`]
  if (commands.length > 0) facts.push(`Scripts:\n${commands.slice(0, MOST).map(([name, command]) => `- \`npm run ${name}\`: \`${command as string}\``).join("\n")}`)
  const [uses, builds] = [names("dependencies"), names("devDependencies")]
  if (uses.length > 0) facts.push(`It depends on ${count(uses.length, "package")}: ${some(uses)}.`)
  if (builds.length > 0) facts.push(`For development it uses ${some(builds)}.`)
  const node = isRecord(manifest.engines) && typeof manifest.engines.node === "string" ? manifest.engines.node : undefined
  if (node) facts.push(`It needs Node ${node}.`)
  return facts.join("\n\n")
}

/** Steps towards a goal, from what a directory holds. */
export function describePlan(goal: string, listing: string): string {
  const entries = listing.split("\n").map((line) => line.trim().split(/\s{2,}| -> /)[0]!).filter((name) => name !== "" && !name.startsWith("…"))
  const present = (...wanted: string[]) => entries.filter((name) => wanted.includes(name.replace(/\/$/, "")))
  const papers = present("README.md", "AGENTS.md", "CLAUDE.md", "ARCHITECTURE.md", "package.json", "pyproject.toml", "Cargo.toml", "go.mod")
  const sources = present("src", "lib", "app", "plugins", "packages", "kernel")
  const check = [["package.json", "run: npm test"], ["Cargo.toml", "run: cargo test"], ["go.mod", "run: go test ./..."], ["pyproject.toml", "run: pytest"], ["Makefile", "run: make test"]].find(([file]) => entries.includes(file!))?.[1]
  const words = goal.split(/\W+/).filter((word) => word.length > 3)
  const steps = [
    papers.length > 0 ? `Read what says how things are done here: ${papers.map((name) => `\`${name}\``).join(", ")}.` : "Nothing here says how things are done: look at the files themselves.",
    `Find what is there already: ${words.slice(0, 3).map((word) => `\`search ${word}${sources[0] ? ` in ${sources[0].replace(/\/$/, "")}` : ""}\``).join(", ") || "`list`"}.`,
    "Make the smallest change that works, one file at a time: `edit <file>: replace … with …`, `write <file>: …`.",
    check ? `Check it: \`${check}\`.` : "Check it by hand: no test command is to be seen here.",
  ]
  return `A plan for "${goal}", from rules and the ${count(entries.length, "entry", "entries")} of this directory:\n${steps.map((step, index) => `${index + 1}. ${step}`).join("\n")}`
}

export const count = (number: number, noun: string, plural = `${noun}s`): string => `${number} ${number === 1 ? noun : plural}`
const some = (names: readonly string[]): string => {
  const unique = [...new Set(names)]
  return `${unique.slice(0, MOST).map((name) => `\`${name}\``).join(", ")}${unique.length > MOST ? ` and ${unique.length - MOST} more` : ""}`
}
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
