/**
 * Which host runs: the built one if its sources are still those it was built from, else one that is built now, else the
 * sources themselves. A stale one, never. What the host runs (the plugins) is compared by content in the kernel.
 */
const { readFileSync, renameSync, statSync, writeFileSync, writeSync } = require("node:fs")
const { join, resolve, sep } = require("node:path")
const { pathToFileURL } = require("node:url")

const home = resolve(__dirname, "../..")
const dist = join(home, "dist")
/** Node strips no types below node_modules: an installed package runs what it was shipped with. */
const installed = home.split(sep).includes("node_modules")
const argv = process.argv.slice(2)
const fromSource = argv[0] === "--from-source" && argv.shift() !== undefined

/** Until the work is done, an exit is somebody's else: a plugin that ends the process is no success. */
let done = false
process.once("exit", (code) => {
  if (done || code !== 0) return
  writeSync(2, "graft: the process was ended before its work was done, by a plugin (graft --safe leaves yours out)\n")
  process.exitCode = 1
})

start().then(leave, (error) => {
  process.stderr.write(`graft: ${error instanceof Error ? error.stack : String(error)}\n`)
  return leave(1)
})

/** A pipe takes what was written in its own time; who does not read at all is waited for as long as it holds the pipe. */
async function leave(code) {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) return resolve()
    stream.once("drain", resolve).once("close", resolve).once("error", resolve)
  })))
  done = true
  process.exit(code)
}

async function start() {
  const host = await choose()
  if (host === undefined) return 1
  const { main } = host.shipped ? host.shipped.load(host.file) : await import(pathToFileURL(host.file).href)
  return main({ home, argv, checkout: !installed, shipped: host.shipped })
}

async function choose() {
  if (fromSource) return sources()
  let manifest = read()
  const changed = manifest ? whatChanged(manifest) : { part: "all", path: "" }
  if (changed && installed) {
    if (!manifest) return void process.stderr.write(`graft: this install is not complete, dist/ is missing from ${home}: install it again (npm install -g graft)\n`)
    if (changed.path) process.stderr.write(`graft: ${join(home, changed.path)} is not what was built, and an installed package cannot be built anew: your change has no effect (take a checkout for that)\n`)
  } else if (changed) {
    if (!canBuild()) return sources()
    if (manifest) process.stderr.write(`graft: ${changed.path} changed; building …\n`)
    try {
      manifest = await build(changed.part)
    } catch (error) {
      return void process.stderr.write(`graft: ${changed.path || "the host"} does not build, and nothing older is run in its place:\n${error.message}\n`)
    }
  }
  const packages = Object.fromEntries(Object.entries(manifest.packages).map(([name, file]) => [name, join(dist, file)]))
  return { file: join(dist, manifest.host), shipped: { ...require("./code.cjs"), builtIns: join(dist, manifest.builtIns), texts: join(dist, manifest.texts), packages } }
}

/** Building runs from sources as well. */
async function build(part) {
  quietStripping()
  const { build, buildHost } = await import(pathToFileURL(join(home, "scripts/build.ts")).href)
  await (part === "host" ? buildHost() : build())
  return read()
}

function canBuild() {
  try {
    return require.resolve("rolldown") !== ""
  } catch {
    return false
  }
}

function sources() {
  quietStripping()
  return { file: join(__dirname, "main.ts") }
}

function read() {
  try {
    const manifest = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"))
    // One of an earlier shape is none.
    return manifest.builtIns && manifest
  } catch {
    return undefined
  }
}

/** Size and time spare reading; where they differ the content decides, and is not asked about again. */
function whatChanged(manifest) {
  let touched = false
  for (const [path, known] of Object.entries(manifest.sources)) {
    const file = join(home, path)
    const status = statSync(file, { throwIfNoEntry: false })
    if (status && status.size === known.size && Math.floor(status.mtimeMs) === known.mtime) continue
    // A package keeps no lock of what is installed, nor the builder; nor does who removed one.
    const own = /^(kernel|plugins)\//.test(path)
    if (!status && !own) continue
    const hash = status && require("node:crypto").createHash("sha256").update(readFileSync(file)).digest("hex")
    if (hash !== known.hash) return { part: own ? "host" : "all", path }
    touched = true
    Object.assign(known, { size: status.size, mtime: Math.floor(status.mtimeMs) })
  }
  if (touched) remember(manifest)
  return undefined
}

function remember(manifest) {
  try {
    const file = join(dist, `manifest.json.${process.pid}`)
    writeFileSync(file, JSON.stringify(manifest, null, 1))
    renameSync(file, join(dist, "manifest.json"))
  } catch { /* somebody else's install: it is compared again */ }
}

/** Running TypeScript is no news to who runs a checkout. */
function quietStripping() {
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => (/type stripping/i.test(String(warning)) ? undefined : emitWarning.call(process, warning, ...rest))
}
