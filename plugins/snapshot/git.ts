/**
 * The command `git` with a directory of our own, and nothing of the user's: no configuration, no hooks, no filters, no
 * prompt. It reads the project's files and ignore rules, and never its `.git`.
 */
import { spawn } from "node:child_process"
import { devNull, setPriority } from "node:os"
import { SnapshotError } from "./errors.ts"

/** Milliseconds of one command, and bytes of its output. */
const DEADLINE = 20_000
const MOST = 64 * 1024 * 1024

export interface Run { input?: string | Buffer; /** An index other than none. */ index?: string; env?: Record<string, string>; deadline?: number; /** Nobody waits for it. */ patient?: boolean }

export class Git {
  readonly directory: string
  readonly #worktree: string
  readonly #settings: string[]

  /** `excludes`: a file of ignore rules that the project's owner keeps beside .gitignore. */
  constructor(directory: string, worktree: string, excludes: string) {
    this.directory = directory
    this.#worktree = worktree
    const settings = ["core.autocrlf=false", "core.fsmonitor=false", "core.quotePath=false", `core.hooksPath=${devNull}`, `core.attributesFile=${devNull}`, `core.excludesFile=${excludes}`, "gc.auto=0", "advice.addEmbeddedRepo=false"]
    this.#settings = settings.flatMap((setting) => ["-c", setting])
  }

  async text(args: readonly string[], run?: Run): Promise<string> { return (await this.run(args, run)).toString("utf8").trim() }

  run(args: readonly string[], { input, index, env, deadline = DEADLINE, patient = false }: Run = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const child = spawn("git", [...this.#settings, ...args], { cwd: this.#worktree, env: this.#environment(index, env), stdio: ["pipe", "pipe", "pipe"], windowsHide: true })
      const chunks: Buffer[] = []
      let [length, errors, late] = [0, "", false]
      const timer = setTimeout(() => { late = true; child.kill("SIGKILL") }, deadline)
      const fail = (code: SnapshotError["code"], message: string) => reject(new SnapshotError(code, message))
      child.stdout.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        if ((length += chunk.length) > MOST) child.kill("SIGKILL")
      })
      child.stderr.on("data", (chunk: Buffer) => { if (errors.length < 2_000) errors += chunk.toString("utf8") })
      if (patient) child.once("spawn", () => { try { setPriority(child.pid!, 10) } catch { /* a courtesy only */ } })
      child.once("error", (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        fail(error.code === "ENOENT" ? "snapshot.unable" : "snapshot.git", error.code === "ENOENT" ? "git is not installed, and files are put back with it" : `git could not be started: ${error.message}`)
      })
      child.once("close", (code) => {
        clearTimeout(timer)
        if (code === 0) return resolve(Buffer.concat(chunks))
        fail("snapshot.git", `git ${args[0]} ${late ? `took longer than ${deadline / 1_000} s` : length > MOST ? "gave too much" : `failed: ${errors.trim().slice(0, 500)}`}`)
      })
      // Whoever ended already reads no more.
      child.stdin.on("error", () => {})
      child.stdin.end(input ?? "")
    })
  }

  #environment(index: string | undefined, more: Record<string, string> = {}): NodeJS.ProcessEnv {
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")))
    return {
      ...own, LC_ALL: "C", GIT_DIR: this.directory, GIT_WORK_TREE: this.#worktree, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: devNull, GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0",
      GIT_AUTHOR_NAME: "graft", GIT_AUTHOR_EMAIL: "graft", GIT_COMMITTER_NAME: "graft", GIT_COMMITTER_EMAIL: "graft", ...(index !== undefined && { GIT_INDEX_FILE: index }), ...more,
    }
  }
}
