/** The server's figures: what a crowd that follows one session costs, beside bare node:http in the same run, and whether anybody loses anything. */
import { fork, type ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { Agent, get, type IncomingMessage } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel, type EmbeddedKernel } from "../../kernel/index.ts"
import { figure, median, ratio, type Figure } from "./table.ts"

const CLIENTS = 100
const EVENTS = 10_000
const MANY = 100_000
/** Bytes of text in one event. */
const SIZE = 200
const BATCH = 100
const ROUNDS = 3

interface Use { milliseconds: number; megabytes: number }

export async function serverFigures(): Promise<Figure[]> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "graft-bench-server-")))
  const writer = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], dataDir: home, only: ["config", "store", "eventlog", "session", "runner", "instruction"] })
  try {
    await writer.start()
    return [...(await crowd(writer, home)), await memory(writer, home)]
  } finally {
    await writer.close()
    rmSync(home, { recursive: true, force: true })
  }
}

/** Clients that follow, one of which reads nothing; the events come from another process. */
async function crowd(writer: EmbeddedKernel, home: string): Promise<Figure[]> {
  const costs: number[] = []
  let lost = 0
  for (let round = 0; round < ROUNDS; round++) {
    using raw = await Measured.start("raw", home)
    const bare = await raw.follow("/", CLIENTS, EVENTS, () => raw.tell(EVENTS))
    using ours = await Measured.start("graft", home)
    const session = (await writer.graft.session.create({ directory: home })).id
    const cost = await ours.follow(`/sessions/${session}/events/stream?after=1`, CLIENTS, EVENTS, () => append(writer, session, EVENTS))
    costs.push(cost.use.milliseconds / bare.use.milliseconds)
    lost += cost.lost
  }
  return [
    ratio(`${CLIENTS} clients × ${EVENTS.toLocaleString("en")} events, one stalled: CPU, to one shared buffer a tick over node:http`, median(costs), 2),
    figure("events that the others lost, or got twice", lost, "", 0, "at most"),
  ]
}

/** What is left in memory when ten times as many have gone by. */
async function memory(writer: EmbeddedKernel, home: string): Promise<Figure> {
  using ours = await Measured.start("graft", home)
  const session = (await writer.graft.session.create({ directory: home })).id
  const path = `/sessions/${session}/events/stream`
  await ours.follow(`${path}?after=1`, 10, EVENTS, () => append(writer, session, EVENTS))
  const before = await ours.stop()
  await ours.follow(`${path}?after=${EVENTS + 1}`, 10, MANY, () => append(writer, session, MANY))
  return figure(`heap after ${MANY.toLocaleString("en")} events more, to that before`, (await ours.stop()).megabytes / before.megabytes, "×", 1.1, "at most")
}

async function append({ graft }: EmbeddedKernel, aggregate: string, count: number): Promise<void> {
  const title = "x".repeat(SIZE)
  for (let left = count; left > 0; left -= BATCH) await graft.eventlog.append({ aggregate, actor: "bench", events: Array.from({ length: Math.min(BATCH, left) }, () => ({ type: "session.updated", data: { title } })) })
}

class Measured implements Disposable {
  readonly #child: ChildProcess
  readonly #url: string
  readonly #headers: Record<string, string>

  private constructor(child: ChildProcess, url: string, headers: Record<string, string>) {
    this.#child = child
    this.#url = url
    this.#headers = headers
  }

  static async start(kind: "raw" | "graft", home: string): Promise<Measured> {
    const child = fork(join(import.meta.dirname, "server-process.ts"), [kind, home, String(SIZE)], { execArgv: ["--expose-gc"], stdio: "inherit" })
    const { url } = await heard<{ url: string }>(child)
    return new Measured(child, url, kind === "raw" ? {} : { authorization: `Bearer ${readFileSync(join(home, "data/server.token"), "utf8").trim()}` })
  }

  tell(events: number): void { this.#child.send({ ask: "tell", events }) }

  async stop(): Promise<Use> {
    const use = heard<Use>(this.#child)
    this.#child.send({ ask: "stop" })
    return use
  }

  /** From the first event until everybody but the stalled one has all. */
  async follow(path: string, clients: number, events: number, begin: () => unknown): Promise<{ use: Use; lost: number }> {
    const agent = new Agent({ maxSockets: Infinity })
    const responses = await Promise.all(Array.from({ length: clients }, () => this.#open(path, agent)))
    const [stalled, ...readers] = responses
    stalled!.pause()
    const counted = readers.map((response) => count(response, events))
    this.#child.send({ ask: "start" })
    await Promise.all([begin(), ...counted])
    const use = await this.stop()
    const lost = (await Promise.all(counted)).reduce((sum, each) => sum + each, 0)
    agent.destroy()
    for (const response of responses) response.destroy()
    return { use, lost }
  }

  #open(path: string, agent?: Agent): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => get(new URL(path, this.#url), { headers: this.#headers, ...(agent && { agent }) }, (response) => {
      if (response.statusCode === 200) resolve(response)
      else reject(new Error(`${path} answered ${response.statusCode}`))
    }).on("error", reject))
  }

  [Symbol.dispose](): void { this.#child.kill() }
}

const heard = <T>(child: ChildProcess): Promise<T> => new Promise((resolve, reject) => child.once("message", resolve).once("exit", (code) => reject(new Error(`the measured process ended with ${code}`))))

/** Until so many stored events have come; gives how many of them were not the next one. */
function count(response: IncomingMessage, events: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let [seen, wrong, last] = [0, 0, -1]
    let rest = ""
    response.setEncoding("latin1").on("error", reject).on("close", () => reject(new Error(`a stream ended after ${seen} of ${events} events`))).on("data", (chunk: string) => {
      const text = rest + chunk
      const whole = text.lastIndexOf("\n\n") + 1
      rest = text.slice(whole)
      for (const [, seq] of text.slice(0, whole).matchAll(/^id: [^:]*:(\d+)$/gm)) {
        if (last >= 0 && Number(seq) !== last + 1) wrong++
        last = Number(seq)
        seen++
      }
      if (seen >= events) resolve(wrong + seen - events)
    })
  })
}
