/** The servers that are known from the start; each is used where it is installed, in the project or on the PATH. */
import type { LanguageServer } from "./contract.ts"

const SCRIPTS = { ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "typescriptreact", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascriptreact" }
const PYTHON = { ".py": "python", ".pyi": "python" }
const PYTHON_MARKS = ["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "pyrightconfig.json"]

export const builtIns: readonly LanguageServer[] = [
  { name: "typescript", extensions: SCRIPTS, command: ["typescript-language-server", "--stdio"], marks: ["tsconfig.json", "jsconfig.json", "package.json"] },
  { name: "gopls", extensions: { ".go": "go", ".mod": "go.mod", ".work": "go.work" }, command: ["gopls"], marks: ["go.work", "go.mod"] },
  { name: "rust-analyzer", extensions: { ".rs": "rust" }, command: ["rust-analyzer"], marks: ["Cargo.lock", "Cargo.toml"] },
  { name: "basedpyright", extensions: PYTHON, command: ["basedpyright-langserver", "--stdio"], marks: PYTHON_MARKS },
  { name: "pyright", extensions: PYTHON, command: ["pyright-langserver", "--stdio"], marks: PYTHON_MARKS, unless: "basedpyright" },
  { name: "clangd", extensions: { ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hh": "cpp", ".hpp": "cpp", ".m": "objective-c", ".mm": "objective-cpp" }, command: ["clangd"], marks: ["compile_commands.json", "compile_flags.txt", ".clangd"] },
  { name: "zls", extensions: { ".zig": "zig" }, command: ["zls"], marks: ["build.zig"] },
  { name: "ruby-lsp", extensions: { ".rb": "ruby", ".rake": "ruby" }, command: ["ruby-lsp"], marks: ["Gemfile"] },
  { name: "lua", extensions: { ".lua": "lua" }, command: ["lua-language-server"], marks: [".luarc.json", ".luarc.jsonc"] },
  { name: "terraform", extensions: { ".tf": "terraform" }, command: ["terraform-ls", "serve"], marks: [".terraform"] },
]
