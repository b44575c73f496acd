/** The process's terminal as a value: where text goes, what it can show, and when somebody interrupts. */
import { styleText } from "node:util"
import type { Terminal } from "./contract.ts"

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

export interface OpenTerminal extends Terminal, Disposable {
  /** An interrupt came, or nobody reads any more. */
  readonly interrupted: boolean
}

/** `insist` is called at the second interrupt: what does not end by itself is ended. */
export function openTerminal(options: { color: boolean; insist(): void }): OpenTerminal {
  const { stdin, stdout, stderr, env } = process
  const dumb = env.TERM === "dumb"
  const plain = !options.color || dumb || (env.NO_COLOR ?? "") !== ""
  const color = !plain && stdout.isTTY && stderr.isTTY
  const stop = new AbortController()

  let trapped: (() => boolean) | undefined

  const interrupt = (signal: NodeJS.Signals) => {
    if (signal === "SIGINT" && trapped?.()) return
    if (stop.signal.aborted) options.insist()
    else stop.abort()
  }
  // A reader that went away (| head) is no error.
  const broken = (error: NodeJS.ErrnoException) => { if (error.code === "EPIPE" || error.code === "EIO") stop.abort() }
  for (const signal of SIGNALS) process.on(signal, interrupt)
  for (const stream of [stdout, stderr]) stream.on("error", broken)

  return {
    out: (text) => void (stdout.writable && stdout.write(text)),
    err: (text) => void (stderr.writable && stderr.write(text)),
    paint: (style, text) => (color ? styleText(style, text, { validateStream: false }) : text),
    ask: (question, { secret = false } = {}) => ask(question, secret, stop.signal),
    input: stdin, color, cursor: !plain && stdout.isTTY, interactive: stdin.isTTY && stdout.isTTY, together: stdout.isTTY && stderr.isTTY,
    get columns() { return stdout.columns || 80 },
    get rows() { return stdout.rows || 24 },
    trap(handler) {
      trapped = handler
      return () => { if (trapped === handler) trapped = undefined }
    },
    directory: process.cwd(),
    signal: stop.signal,
    get interrupted() { return stop.signal.aborted },
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, interrupt)
      for (const stream of [stdout, stderr]) stream.off("error", broken)
    },
  }
}

async function ask(question: string, secret: boolean, signal: AbortSignal): Promise<string | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY || signal.aborted) return undefined
  process.stderr.write(question)
  const [{ createInterface }, { Writable }] = await Promise.all([import("node:readline"), import("node:stream")])
  // readline shows what is typed on its output: a secret is shown nowhere.
  const output = secret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr
  const reader = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 })
  try {
    return await new Promise<string | undefined>((resolve) => {
      reader.once("line", resolve).once("close", () => resolve(undefined)).once("SIGINT", () => resolve(undefined))
      signal.addEventListener("abort", () => resolve(undefined), { once: true })
    })
  } finally {
    reader.close()
    if (secret) process.stderr.write("\n")
  }
}
