/** A temporary home and project, and a real instance of Graft in it, which the tour looks into through its socket. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, watch, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { paths } from "../../lib/paths.ts"
import type { Told } from "../../server/contract.ts"
import { Remote } from "../remote.ts"

/** Milliseconds until the instance listens, until something is told, and until it is gone. */
const START = 20_000
const PATIENCE = 15_000
const GOODBYE = 3_000
/** Milliseconds between two knocks. */
const AGAIN = 25

export class TourError extends Error {
  readonly code = "cli.tour"
}

export interface Stage extends AsyncDisposable {
  readonly pid: number
  readonly project: string
  /** Where a user's own plugins are. */
  readonly plugins: string
  readonly remote: Remote
  /** All that was told so far. */
  readonly told: readonly Told[]
  /** The first that matches, of those that are told from here on (or from `since`, an index into `told`). */
  until(matches: (told: Told) => boolean, since?: number): Promise<Told>
}

/** `hear` is called with each event as it comes. */
export async function openStage(bin: string, delay: number, hear: (told: Told) => void): Promise<Stage> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-tour-")))
  const [home, project] = [join(base, "home"), join(base, "project")]
  const { config, run } = paths(home)
  const plugins = join(config, "plugins")
  for (const directory of [plugins, run, join(project, ".git")]) mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(join(config, "config.jsonc"), JSON.stringify({ offline: true, catalogue: { refresh: false }, plugins: { "provider-demo": { delay, about: false } } }))
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "tavern", version: "1.0.0", description: "A place where adventurers meet", scripts: { test: "echo ok" } }, null, 2))
  const child = spawn(process.execPath, [bin, "chat"], { cwd: project, env: { PATH: process.env.PATH, HOME: home, TMPDIR: process.env.TMPDIR, GRAFT_HOME: home, NO_COLOR: "1" }, stdio: ["pipe", "ignore", "pipe"] })
  let complaint = ""
  child.stderr!.on("data", (chunk: Buffer) => { complaint = (complaint + chunk.toString()).slice(-2_000) })
  const gone = new Promise<never>((_, reject) => child.once("error", reject).once("exit", (code) => reject(new TourError(`the tour's own instance ended (${code ?? "killed"}): ${complaint.trim()}`))))
  gone.catch(() => {})
  const stop = new AbortController()
  const close = async () => {
    stop.abort()
    await end(child)
    rmSync(base, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const socket = await within(START, "the tour's own instance did not start in time", Promise.race([gone, socketOf(child.pid!, run)]))
    const remote = new Remote({ pid: child.pid!, socket, version: "", started: Date.now(), location: project })
    const told: Told[] = []
    const waiting = new Set<() => void>()
    void (async () => {
      for await (const each of remote.events({}, stop.signal)) {
        if ("gap" in each) continue
        told.push(each)
        hear(each)
        for (const wake of waiting) wake()
      }
    })().catch(() => {})
    return {
      pid: child.pid!, project, plugins, remote, told,
      until(matches, since = told.length) {
        const seen = new Promise<Told>((resolve) => {
          const look = () => {
            const found = told.slice(since).find(matches)
            if (!found) return
            waiting.delete(look)
            resolve(found)
          }
          waiting.add(look)
          look()
        })
        return within(PATIENCE, "what was to happen did not", Promise.race([gone, seen]))
      },
      [Symbol.asyncDispose]: async () => (remote[Symbol.dispose](), close()),
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The instance puts its socket into a directory that nobody else uses; it is there a moment before somebody listens. */
function socketOf(pid: number, run: string): Promise<string> {
  return new Promise((resolve) => {
    const look = () => {
      const name = readdirSync(run).find((each) => each.startsWith(`${pid}-`) && each.endsWith(".sock"))
      if (name === undefined) return
      watcher.close()
      void listens(join(run, name)).then(() => resolve(join(run, name)))
    }
    const watcher = watch(run, look)
    look()
  })
}

async function listens(socket: string): Promise<void> {
  const answers = () => new Promise<boolean>((resolve) => {
    const connection = connect(socket)
    connection.once("data", () => resolve(true)).once("error", () => resolve(false)).once("close", () => resolve(false))
    connection.once("data", () => connection.destroy())
  })
  while (!(await answers())) await wait(AGAIN)
}

/** Nothing more to read is the end of a conversation. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once("exit", resolve))
  child.stdin!.on("error", () => {}).end()
  const timer = setTimeout(() => child.kill("SIGKILL"), GOODBYE)
  await exit
  clearTimeout(timer)
}

function within<T>(milliseconds: number, otherwise: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new TourError(otherwise)), milliseconds) })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
