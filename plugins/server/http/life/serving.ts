/** From the wish to serve HTTP to the end of it: listening, handing over, draining; whichever generation it began with. */
import { messageOf, Moved, type Graft, type Meta } from "graft"
import type { Server, Serving, Successor } from "../../contract.ts"
import { createGate } from "../../gate/index.ts"
import { settingsOf } from "../../section.ts"
import type { Door, DoorState } from "../../socket/door.ts"
import { closeHttp, openHttp, type Held } from "../held.ts"
import { Listener, ListenError } from "../listener.ts"
import { ended } from "./drain.ts"
import { becomeResident, resign } from "./resident.ts"

const HOST = "127.0.0.1"
const PORT = 4_747
/** Milliseconds that what runs gets to end. */
const PATIENCE = 600_000
/** Milliseconds that who is connected gets after that. */
const MOMENT = 2_000

export interface Life extends Pick<Server, "serve" | "serving" | "handOver" | "drain" | "drained"> {
  takeOver(): Promise<void>
}

export function makeLife(graft: Graft<DoorState>, door: Door): Life {
  let held: Held | undefined
  let listener: Listener | undefined
  let opening: Promise<Serving> | undefined
  let draining: Promise<void> | undefined
  const over = Promise.withResolvers<void>()
  over.promise.catch(() => {})
  graft.retiring.addEventListener("abort", () => over.reject(new Moved()), { once: true })

  const hear = (payload: unknown, meta: Meta): void => listener?.streams.hear(payload, meta)
  const sayOf = ({ host, port, started }: Held): Serving => ({ url: urlAt(host, port), host, port, pid: process.pid, version: graft.kernel.version, started })

  async function acquire(host: string, port: number): Promise<Listener> {
    const gate = await createGate(graft, host)
    held = await graft.keep("http", `${host} ${port}`, () => openHttp(host, port), closeHttp)
    return new Listener(graft, held, gate)
  }

  async function open({ host: wantedHost, port: wantedPort }: { host?: string; port?: number }): Promise<Serving> {
    const { http } = await settingsOf(graft)
    const { host = HOST, port = PORT } = { ...(typeof http === "object" ? http : {}), ...(wantedHost !== undefined && { host: wantedHost }), ...(wantedPort !== undefined && { port: wantedPort }) }
    await door.open()
    await becomeResident(graft, { url: urlAt(host, port), port })
    try {
      const made = await acquire(host, port)
      graft.state.update((draft) => { draft.http = { host, port } })
      listener = made
      graft.on("*", hear)
      made.takeCharge()
    } catch (error) {
      await resign(graft)
      throw (error as { syscall?: unknown }).syscall === undefined ? error : new ListenError(host, port, error)
    }
    const serving = sayOf(held!)
    door.serves({ url: serving.url })
    graft.emit("server.serving", serving)
    return serving
  }

  async function handOver(successor: Successor & { port?: number }): Promise<void> {
    if (!held || held.successor) return
    const { port, ...by } = successor
    const release = port !== undefined && port === held.port
    held.successor = by
    door.serves({ url: sayOf(held).url, successor: held.successor })
    listener?.streams.sayDraining(held.successor)
    graft.emit("server.draining", held.successor)
    if (release) held.server.close()
    await resign(graft)
  }

  async function drain(milliseconds: number): Promise<void> {
    const late = new AbortController()
    const cancel = graft.timeout(milliseconds, () => late.abort())
    const stop = AbortSignal.any([late.signal, graft.retiring])
    await ended(graft, stop)
    cancel()
    await alone()
    if (graft.retiring.aborted) throw new Moved()
    over.resolve()
  }

  /** Who is connected gets a moment to ask for the rest of what it waited for. */
  function alone(): Promise<void> {
    if (door.clients() === 0 || graft.retiring.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const off = graft.on("server.disconnected", ({ clients }) => { if (clients === 0) leave() })
      const cancel = graft.timeout(MOMENT, () => leave())
      const leave = () => {
        off()
        cancel()
        graft.retiring.removeEventListener("abort", leave)
        resolve()
      }
      graft.retiring.addEventListener("abort", leave, { once: true })
    })
  }

  const startDraining = (milliseconds: number): Promise<void> => {
    draining ??= drain(milliseconds)
    draining.catch(() => {})
    return draining
  }

  return {
    async takeOver() {
      const { http } = graft.state.value
      if (!http) return
      // Whoever took the address while this plugin was away keeps it.
      const made = await acquire(http.host, http.port).catch((error: unknown) => graft.log.warn(`HTTP is not served any more: ${messageOf(error)}`))
      if (!made) return
      listener = made
      door.serves({ url: sayOf(held!).url, ...(held!.successor && { successor: held!.successor }) })
      graft.on("*", hear)
      opening = Promise.resolve(sayOf(held!))
      graft.onCommit(() => {
        made.takeCharge()
        if (held!.successor) void startDraining(PATIENCE)
      })
    },
    async serve(options = {}) {
      if (held?.successor) throw Object.assign(new Error("this instance hands over, and serves no more"), { code: "server.draining" })
      opening ??= open(options)
      try {
        return await opening
      } catch (error) {
        opening = undefined
        throw error
      }
    },
    serving: async () => held && sayOf(held),
    async handOver(by) {
      await handOver(by)
      void startDraining(PATIENCE)
    },
    async drain({ patience = PATIENCE } = {}) {
      await handOver({})
      await startDraining(patience)
    },
    drained: () => over.promise,
  }
}

const urlAt = (host: string, port: number): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}`
