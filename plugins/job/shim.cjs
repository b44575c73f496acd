/**
 * What stands between a job and the process that began it, and outlives the latter: it waits for one line on stdin, and only
 * then runs the command; it keeps its output, and writes down how it ended. A pipe that closes before the line is whole is
 * no word to start. It is CommonJS without a dependency, because it runs as a program of its own, wherever this plugin lies.
 */
"use strict"
const { spawn } = require("node:child_process")
const { closeSync, fsyncSync, openSync, renameSync, writeSync } = require("node:fs")
const { join } = require("node:path")

const directory = process.argv[2]
/** Milliseconds: for what children still hold after their shell is done, and between TERM and KILL. */
const DRAIN = 150
const GRACE = 500
/** Seconds in which a full disk may make room for the few bytes that say how it ended. */
const PATIENCE = 600

let child, exit, output
let bytes = 0
let line = ""

// A job ends by its own group's signals, or by TERM to this process.
for (const signal of ["SIGHUP", "SIGINT"]) process.on(signal, () => {})
process.on("SIGTERM", stop)
process.stdin.setEncoding("utf8").on("data", hear).on("end", left).on("error", left)

function hear(text) {
  line += text
  if (line.endsWith("\n")) start(JSON.parse(line))
}

function left() {
  if (!child) finish({ kind: "not-started" })
}

function start({ program, args, cwd, env, most }) {
  output = openSync(join(directory, "output"), "a", 0o600)
  try {
    child = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    return finish({ kind: "error", message: error.message })
  }
  const keep = (chunk) => {
    if (bytes + chunk.length > most && !exit) {
      exit = { kind: "flood" }
      stop()
    }
    const kept = chunk.subarray(0, Math.max(0, most - bytes))
    // A full disk loses output, and does not end the work.
    try { for (let at = 0; at < kept.length; ) at += writeSync(output, kept, at) } catch { /* what it wrote is bounded anyway */ }
    bytes += kept.length
  }
  child.stdout.on("data", keep)
  child.stderr.on("data", keep)
  child.once("error", (error) => finish({ kind: "error", message: error.message }))
  child.once("exit", (code, signal) => {
    exit ??= signal ? { kind: "signal", signal } : { kind: "exit", code }
    const ended = once(() => endGroup(() => finish(exit)))
    child.once("close", ended)
    setTimeout(ended, DRAIN)
  })
}

function stop() {
  if (!child) return finish({ kind: "not-started" })
  signalGroup("SIGTERM")
  setTimeout(() => signalGroup("SIGKILL"), GRACE)
}

/** What the command left in its group goes with it. */
function endGroup(then) {
  if (!signalGroup("SIGTERM")) return then()
  const until = Date.now() + GRACE
  const look = () => {
    if (!signalGroup(0)) return then()
    if (Date.now() < until) return setTimeout(look, 20)
    signalGroup("SIGKILL")
    then()
  }
  look()
}

function signalGroup(signal) {
  try { return process.kill(-child.pid, signal) } catch { return false }
}

/** Whoever reads it finds it whole, or not at all; on disk with what the command wrote. */
function finish(how, tries = PATIENCE) {
  try {
    if (output !== undefined) fsyncSync(output)
    const temporary = join(directory, ".exit")
    sync(temporary, "w", JSON.stringify(how))
    renameSync(temporary, join(directory, "exit"))
    sync(directory, "r")
  } catch (error) {
    if (tries > 0 && error.code !== "ENOENT") return setTimeout(() => finish(how, tries - 1), 1_000)
  }
  process.exit()
}

function sync(path, flags, text) {
  const file = openSync(path, flags, 0o600)
  try {
    if (text !== undefined) writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function once(work) {
  let done = false
  return () => {
    if (!done) work()
    done = true
  }
}
