/** Who is running: every socket in the directory is asked to greet; those of the dead are removed. */
import { readdirSync, rmSync, statSync } from "node:fs"
import { connect } from "node:net"
import { basename, join } from "node:path"
import { LineReader } from "../../lib/lines.ts"
import type { Greeting, Instance } from "../contract.ts"
import { pipeOf } from "./endpoint.ts"

/** Milliseconds that an instance may take to greet. One that is only slow, or stopped, keeps its socket. */
const PATIENCE = 1_000
/** Milliseconds after which a socket that refuses is nobody's, though its process's number lives. */
const OLD = 60_000

export async function findInstances(run: string): Promise<Instance[]> {
  let names: string[]
  try {
    names = readdirSync(run).filter((name) => name.endsWith(".sock"))
  } catch {
    return []
  }
  const found = await Promise.all(names.map((name) => ask(join(run, name))))
  return found.filter((instance) => instance !== undefined).sort((a, b) => b.started - a.started)
}

function ask(socket: string): Promise<Instance | undefined> {
  return new Promise((resolve) => {
    const connection = connect(pipeOf(socket))
    const reader = new LineReader(65_536)
    const end = (instance?: Instance) => {
      connection.destroy()
      resolve(instance)
    }
    connection.setTimeout(PATIENCE, end)
    connection.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" && isDead(socket)) rmSync(socket, { force: true })
      end()
    })
    connection.once("close", () => end())
    connection.on("data", (chunk) => {
      try {
        const [line] = reader.push(chunk)
        if (line === undefined) return
        const { graft, pid, started, location, url, successor } = JSON.parse(line) as Greeting
        end({ pid, socket, version: graft, started, location, ...(url !== undefined && { url }), ...(successor && { successor }) })
      } catch {
        end()
      }
    })
  })
}

/** Its name begins with the process's id. An id that lives may be another's by now; a socket is refused for long only when nobody listens. */
function isDead(socket: string): boolean {
  try {
    process.kill(Number.parseInt(basename(socket), 10), 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EPERM"
  }
  return Date.now() - (statSync(socket, { throwIfNoEntry: false })?.mtimeMs ?? 0) > OLD
}
