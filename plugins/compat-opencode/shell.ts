/** `$` as Bun's shell is used by plugins: a template whose values are quoted, run by `sh`, and read in one way or another. */
import { spawn } from "node:child_process"

/** Bytes of output that a command may give before it is ended, and milliseconds that it may take. */
const MOST = 10 * 1024 * 1024
const LONGEST = 600_000

export interface ShellOutput { stdout: Buffer; stderr: Buffer; exitCode: number; text(): string; json(): unknown; arrayBuffer(): ArrayBuffer; bytes(): Uint8Array; blob(): Blob }
class ShellError extends Error {
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
  constructor({ exitCode, stdout, stderr }: ShellOutput) {
    super(`Failed with exit code ${exitCode}${stderr.length > 0 ? `: ${stderr.toString("utf8").trim().slice(0, 500)}` : ""}`)
    Object.assign(this, { name: "ShellError" })
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
const wordOf = (value: unknown): string => (Array.isArray(value) ? value.map(wordOf).join(" ") : value !== null && typeof value === "object" && "raw" in value ? String(value.raw) : quoted(String(value)))

interface Settings { cwd: string; env: Record<string, string | undefined>; throws: boolean }

class Command implements PromiseLike<ShellOutput> {
  readonly #text: string
  readonly #settings: Settings
  #running: Promise<ShellOutput> | undefined
  constructor(text: string, settings: Settings) {
    this.#text = text
    this.#settings = { ...settings }
  }
  #with(change: Partial<Settings>): this { return Object.assign(this.#settings, change), this }
  cwd(path: string): this { return this.#with({ cwd: path }) }
  env(env: Record<string, string | undefined>): this { return this.#with({ env }) }
  quiet(): this { return this }
  nothrow(): this { return this.#with({ throws: false }) }
  throws(should: boolean): this { return this.#with({ throws: should }) }
  run(): Promise<ShellOutput> { return (this.#running ??= execute(this.#text, this.#settings)) }
  then<A, B>(done?: ((value: ShellOutput) => A | PromiseLike<A>) | null, failed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> { return this.run().then(done, failed) }
  catch<B>(failed: (reason: unknown) => B): Promise<ShellOutput | B> { return this.run().catch(failed) }
  finally(work: () => void): Promise<ShellOutput> { return this.run().finally(work) }
  async text(): Promise<string> { return (await this.run()).text() }
  async json(): Promise<unknown> { return (await this.run()).json() }
  async arrayBuffer(): Promise<ArrayBuffer> { return (await this.run()).arrayBuffer() }
  async bytes(): Promise<Uint8Array> { return (await this.run()).bytes() }
  async blob(): Promise<Blob> { return (await this.run()).blob() }
  async *lines(): AsyncGenerator<string> { yield* (await this.text()).replace(/\n$/, "").split("\n") }
}

export function makeShell(directory: string): unknown {
  const settings: Settings = { cwd: directory, env: {}, throws: true }
  const $ = (strings: TemplateStringsArray, ...values: unknown[]) => new Command(strings.raw.reduce((text, part, n) => text + part + (n < values.length ? wordOf(values[n]) : ""), ""), settings)
  return Object.assign($, {
    cwd: (path = directory) => (Object.assign(settings, { cwd: path }), $),
    env: (env: Record<string, string | undefined> = {}) => (Object.assign(settings, { env }), $),
    nothrow: () => (Object.assign(settings, { throws: false }), $),
    throws: (should: boolean) => (Object.assign(settings, { throws: should }), $),
    escape: quoted, ShellError,
  })
}

function execute(text: string, { cwd, env, throws }: Settings): Promise<ShellOutput> {
  const { promise, resolve, reject } = Promise.withResolvers<ShellOutput>()
  const child = spawn("sh", ["-c", text], { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], timeout: LONGEST, killSignal: "SIGKILL" })
  const [stdout, stderr]: Buffer[][] = [[], []]
  let bytes = 0
  const take = (into: Buffer[]) => (chunk: Buffer) => {
    if ((bytes += chunk.length) > MOST) child.kill("SIGKILL")
    else into.push(chunk)
  }
  child.stdout.on("data", take(stdout!))
  child.stderr.on("data", take(stderr!))
  child.on("error", reject)
  child.on("close", (code) => {
    const out = Buffer.concat(stdout!)
    const output: ShellOutput = {
      stdout: out, stderr: Buffer.concat(stderr!), exitCode: code ?? 137, text: () => out.toString("utf8"), json: () => JSON.parse(out.toString("utf8")) as unknown,
      arrayBuffer: () => new Uint8Array(out).buffer, bytes: () => new Uint8Array(out), blob: () => new Blob([new Uint8Array(out)]),
    }
    if (output.exitCode !== 0 && throws) reject(new ShellError(output))
    else resolve(output)
  })
  return promise
}
