/**
 * Loads what was built, with V8's code of all that ran before. Node's own cache holds what is compiled while a file is
 * loaded; most of a start is compiled later, function by function, so here the code is taken once all of it has run.
 * Everything loaded here is named by its content, and so is its code: neither can be stale.
 */
const { isAscii } = require("node:buffer")
const { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } = require("node:fs")
const { createRequire } = require("node:module")
const { basename, dirname, join, resolve } = require("node:path")
const { Script } = require("node:vm")

/** Files in a directory of code; with more, those of earlier builds go. */
const MOST = 200

const modules = new Map()
const fresh = new Map()
let directory

/** Where the code of this command is kept; a private directory, where nobody else may put any. */
function keepIn(path) { directory = path }

function load(file) {
  const known = modules.get(file)
  if (known) return known.exports
  const cachedData = read(file)
  const bytes = readFileSync(file)
  const script = new Script(isAscii(bytes) ? bytes.latin1Slice() : bytes.utf8Slice(), { filename: file, cachedData })
  if (!cachedData || script.cachedDataRejected) fresh.set(file, script)
  const native = createRequire(file)
  const require = (name) => (name.startsWith(".") ? load(resolve(dirname(file), name)) : native(name))
  const module = { exports: {} }
  modules.set(file, module)
  try {
    script.runInThisContext()(module.exports, require, module, file, dirname(file))
  } catch (error) {
    modules.delete(file)
    throw error
  }
  return module.exports
}

function read(file) {
  try { return directory && readFileSync(join(directory, basename(file))) } catch { return undefined }
}

/** To be called when what a start runs has run, and before V8 forgets what ran only once. */
function keep() {
  if (!directory || fresh.size === 0) return
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const names = readdirSync(directory)
    const ours = new Set([...modules.keys()].map((file) => basename(file)))
    if (names.length > MOST) for (const name of names) if (!ours.has(name)) rmSync(join(directory, name), { force: true })
    for (const [file, script] of fresh) {
      const made = join(directory, `${basename(file)}.${process.pid}`)
      // On the disk before it has its name: V8 believes what it is given.
      try {
        writeFileSync(made, script.createCachedData(), { mode: 0o600, flush: true })
        renameSync(made, join(directory, basename(file)))
      } catch (error) {
        rmSync(made, { force: true })
        throw error
      }
    }
  } catch { /* a read-only home only starts slower */ }
  fresh.clear()
}

module.exports = { import: (specifier) => import(specifier), keep, keepIn, load }
