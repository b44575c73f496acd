/** The formatters that are known from the start, each used only where a project says that it uses it. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Formatter } from "./contract.ts"

const SCRIPTS = [".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"]
const TEXTS = [".json", ".jsonc", ".json5", ".css", ".scss", ".less", ".html", ".vue", ".md", ".mdx", ".yaml", ".yml", ".graphql"]
const PRETTIER = ["", ".json", ".yaml", ".yml", ".json5", ".js", ".cjs", ".mjs", ".ts", ".toml"].map((end) => `.prettierrc${end}`)

export const builtIns: readonly Formatter[] = [
  { name: "biome", extensions: [...SCRIPTS, ".json", ".jsonc", ".css", ".graphql", ".html"], command: ["biome", "format", "--stdin-file-path=$FILE"], marks: ["biome.json", "biome.jsonc"] },
  { name: "oxfmt", extensions: [...SCRIPTS, ...TEXTS], command: ["oxfmt", "--stdin-filepath=$FILE"], marks: [".oxfmtrc.json", ".oxfmtrc.jsonc", 'package.json#"oxfmt"'] },
  { name: "prettier", extensions: [...SCRIPTS, ...TEXTS, ".svelte", ".astro"], command: ["prettier", "--stdin-filepath", "$FILE"], marks: ['package.json#"prettier"', ...PRETTIER, "prettier.config.js", "prettier.config.mjs", "prettier.config.cjs", "prettier.config.ts"] },
  { name: "deno", extensions: [".ts", ".mts", ".cts"], command: ["deno", "fmt", "--ext=ts", "-"], marks: ["deno.json", "deno.jsonc"] },
  { name: "gofmt", extensions: [".go"], command: ["gofmt"], harmless: true },
  { name: "rustfmt", extensions: [".rs"], command: async ({ directory }) => ["rustfmt", "--edition", await editionIn(directory)], marks: ["Cargo.toml"] },
  { name: "ruff", extensions: [".py", ".pyi"], command: ["ruff", "format", "--stdin-filename", "$FILE", "-"], marks: ["ruff.toml", ".ruff.toml", "pyproject.toml#[tool.ruff"], harmless: true },
  { name: "black", extensions: [".py", ".pyi"], command: ["black", "--quiet", "--stdin-filename", "$FILE", "-"], marks: ["pyproject.toml#[tool.black"], harmless: true },
  { name: "shfmt", extensions: [".sh", ".bash"], command: ["shfmt", "-filename", "$FILE"], marks: [".editorconfig"], harmless: true },
  { name: "clang-format", extensions: [".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".m", ".mm", ".proto"], command: ["clang-format", "--assume-filename=$FILE"], marks: [".clang-format", "_clang-format"], harmless: true },
  { name: "zig", extensions: [".zig"], command: ["zig", "fmt", "--stdin"], marks: ["build.zig"], harmless: true },
  { name: "terraform", extensions: [".tf", ".tfvars"], command: ["terraform", "fmt", "-"], harmless: true },
]

/** On stdin rustfmt knows nothing of the crate; a workspace's members may leave it to the root. */
async function editionIn(directory: string): Promise<string> {
  const text = await readFile(join(directory, "Cargo.toml"), "utf8").catch(() => "")
  return /^\s*edition\s*=\s*"(20\d\d)"/m.exec(text)?.[1] ?? "2021"
}
