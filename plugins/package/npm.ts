/** Installing by npm's own rules, each package into a folder of its own, which is there whole or not at all. Nothing that a package brings is run. */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PackageError } from "./errors.ts"

const PATIENCE = 300_000
const MOST_SAID = 64 * 1024

export interface Fetched { /** The installation. */ folder: string; /** The package within it. */ name: string; scripts: string[] }

/** Into a new folder below `directory`, which the caller keeps or takes away. From npm's cache where there is no network. */
export async function install(spec: string, directory: string, { scripts = false, signal }: { scripts?: boolean; signal?: AbortSignal } = {}): Promise<Fetched> {
  const building = join(directory, `.${process.pid}-${randomBytes(4).toString("hex")}`)
  await mkdir(building, { recursive: true, mode: 0o700 })
  try {
    await writeFile(join(building, "package.json"), JSON.stringify({ name: "graft-packages", private: true }))
    const run = (...more: string[]) => npm(["install", "--no-audit", "--no-fund", "--omit=dev", "--no-progress", "--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=60000", "--loglevel=error", "--save-exact", ...(scripts ? [] : ["--ignore-scripts"]), ...more, "--", spec], building, signal)
    await run().catch(async (error: PackageError) => {
      if (!UNREACHABLE.test(error.message)) throw error
      await run("--offline").catch(() => { throw new PackageError("package.install", `${error.message}. It is not in npm's cache either`) })
    })
    const { dependencies } = JSON.parse(await readFile(join(building, "package.json"), "utf8")) as { dependencies?: Record<string, string> }
    const [name] = Object.keys(dependencies ?? {})
    if (name === undefined) throw new PackageError("package.install", `npm installed nothing for ${spec}`)
    const { packages } = JSON.parse(await readFile(join(building, "package-lock.json"), "utf8")) as { packages: Record<string, { hasInstallScript?: boolean }> }
    const wanting = scripts ? [] : Object.entries(packages).flatMap(([path, { hasInstallScript }]) => (hasInstallScript ? path.replace(/^.*node_modules\//, "") : []))
    const folder = join(directory, `${name.replace("/", "+")}-${randomBytes(6).toString("hex")}`)
    await rename(building, folder)
    return { folder, name, scripts: wanting }
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    throw error
  }
}

const UNREACHABLE = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network|ERR_SOCKET/i

function npm(args: readonly string[], cwd: string, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stop = AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])])
  // What npm passes on to those it starts would make it install elsewhere.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(cache|registry|userconfig|cafile|offline)$)/i.test(name)))
  const child = spawn("npm", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32", signal: stop, killSignal: "SIGKILL" })
  let said = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => { if (said.length < MOST_SAID) said += chunk.toString("utf8") })
  child.on("error", (error: NodeJS.ErrnoException) => reject(new PackageError("package.install", error.code === "ENOENT" ? "npm is not installed: packages come by it (https://nodejs.org)" : stop.aborted ? `npm did not end within ${PATIENCE / 60_000} minutes, or was interrupted` : String(error))))
  child.on("close", (code) => (code === 0 ? resolve() : reject(new PackageError("package.install", `npm could not install it: ${clean(said) || `exit code ${code}`}`))))
  return promise
}

/** Its own words without what is about npm. */
const clean = (text: string): string => text.split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/, "").trim()).filter((line) => line !== "" && !/A complete log|npm help|eresolve-report|For a full report|debug-0\.log/.test(line)).slice(0, 12).join(" · ")
