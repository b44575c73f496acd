/** The real command in a temporary home and project, as a person or a script starts it; also on a pseudo terminal. */
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, watch, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))
export const BIN = join(ROOT, "plugins/cli/bin.cjs")
const BUILDS = /^graft: \S+ changed; building …\n/gm
/** Milliseconds that anything may take here, on a busy machine. */
const PATIENCE = 15_000

export interface Outcome { code: number | null; signal: string | null; out: string; err: string }
export interface Options { /** Of another checkout. */ bin?: string; cwd?: string; env?: NodeJS.ProcessEnv; /** Written to stdin, which then ends. Absent: an empty one; false: nobody ever writes. */ input?: string | false }

export interface Place extends Disposable {
  home: string
  project: string
  /** Where a user's own plugins are. */
  plugins: string
  env: NodeJS.ProcessEnv
  graft(args: readonly string[], options?: Options): Promise<Outcome>
  start(args: readonly string[], options?: Options): Running
  /** On a pseudo terminal, as a person sees it. */
  terminal(args: readonly string[], options?: Options): Terminal
  config(value: unknown): void
}

export function place(): Place {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-e2e-")))
  const [home, project] = [join(base, "home"), join(base, "project")]
  const config = join(home, ".config/graft")
  for (const made of [join(config, "plugins"), join(project, ".git")]) mkdirSync(made, { recursive: true })
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "tavern", description: "A place where adventurers meet" }))
  // No key of whoever runs the tests, and no home of theirs.
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: home, TERM: "xterm-256color", LANG: "C.UTF-8" }
  const running: Running[] = []
  const start = (args: readonly string[], options: Options = {}) => {
    const child = new Running(process.execPath, [options.bin ?? BIN, ...args], { cwd: options.cwd ?? project, env: { ...env, ...options.env } }, options.input)
    running.push(child)
    return child
  }
  return {
    home, project, plugins: join(config, "plugins"), env, start,
    // Whoever edited the kernel before the tests is told so, and that is no part of them.
    graft: async (args, options) => start(args, options).ended.then((outcome) => ({ ...outcome, err: outcome.err.replace(BUILDS, "") })),
    terminal(args, options = {}) {
      // Of util-linux: the pseudo terminal that Node lacks.
      const quoted = [process.execPath, options.bin ?? BIN, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
      const child = new Terminal("script", ["-qfec", `exec ${quoted}`, "/dev/null"], { cwd: options.cwd ?? project, env: { ...env, ...options.env } }, false)
      running.push(child)
      return child
    },
    config: (value) => writeFileSync(join(config, "config.jsonc"), JSON.stringify(value)),
    [Symbol.dispose]() {
      for (const child of running) child.kill("SIGKILL")
      rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

/** A file is there, with something in it. */
export function appears(file: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = () => { if (existsSync(file) && statSync(file).size > 0) resolve() }
  // It watches before it looks.
  const eye = watch(dirname(file), look)
  const late = setTimeout(() => reject(new Error(`${file} never appeared`)), PATIENCE)
  look()
  return promise.finally(() => {
    clearTimeout(late)
    eye.close()
  })
}

export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  out = ""
  err = ""
  #wake = new Set<() => void>()

  constructor(command: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }, input: string | false | undefined) {
    this.child = spawn(command, args, { ...options, stdio: "pipe" })
    const hear = (which: "out" | "err") => (chunk: Buffer) => {
      this[which] += chunk.toString("utf8")
      for (const wake of this.#wake) wake()
    }
    this.child.stdout!.on("data", hear("out"))
    this.child.stderr!.on("data", hear("err"))
    this.child.stdin!.on("error", () => {})
    if (input !== false) this.child.stdin!.end(input ?? "")
    const late = setTimeout(() => this.kill("SIGKILL"), PATIENCE * 2)
    this.ended = new Promise((resolve, reject) => this.child.once("error", reject).once("close", (code, signal) => {
      clearTimeout(late)
      resolve({ code, signal, out: this.out, err: this.err })
    }))
    this.ended.catch(() => {})
  }

  kill(signal: NodeJS.Signals): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal)
  }

  /** What it has said so far, as text. */
  text(): string { return stripVTControlCharacters(this.out + this.err) }

  /** Waits until it says something, from `after` on; gives where that ends. */
  async says(pattern: RegExp | string, after = 0): Promise<number> {
    const find = () => {
      const text = this.text().slice(after)
      const found = typeof pattern === "string" ? text.indexOf(pattern) : text.search(pattern)
      return found < 0 ? undefined : after + found + (typeof pattern === "string" ? pattern.length : pattern.exec(text)![0].length)
    }
    return new Promise((resolve, reject) => {
      const done = (act: () => void) => {
        clearTimeout(timer)
        this.#wake.delete(look)
        act()
      }
      const look = () => {
        const found = find()
        if (found !== undefined) done(() => resolve(found))
      }
      const timer = setTimeout(() => done(() => reject(new Error(`it never said ${String(pattern)}; it said:\n${this.text().slice(-3_000)}`))), PATIENCE)
      void this.ended.then(() => (look(), this.#wake.has(look) && done(() => reject(new Error(`it ended without saying ${String(pattern)}; it said:\n${this.text().slice(-3_000)}`)))), reject)
      this.#wake.add(look)
      look()
    })
  }
}

export class Terminal extends Running {
  press(keys: string): void { this.child.stdin!.write(keys) }
  /** A line, and Enter. */
  type(text: string): void { this.press(`${text}\r`) }
}
