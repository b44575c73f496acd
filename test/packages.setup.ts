/** Published packages that specs run against, and that must not stand beside ours (other people's plugins, a language server with its own TypeScript), are installed once, from `test/packages/`. */
import { execFileSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("packages", import.meta.url))
const stamp = join(folder, "node_modules", ".installed")
const read = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

export default function setup() {
  const lock = read(join(folder, "package-lock.json"))
  if (read(stamp) === lock) return
  rmSync(join(folder, "node_modules"), { recursive: true, force: true })
  execFileSync("npm", ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent"], { cwd: folder, stdio: "inherit", timeout: 180_000 })
  writeFileSync(stamp, lock)
}
