/** Who is running: every socket in the directory is asked to greet; those of the dead are removed. */
import { readdirSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { LineReader } from "../lib/lines.ts"
import type { Greeting, Instance } from "./contract.ts"
import { pipeOf } from "./endpoint.ts"

/** Milliseconds that an instance may take to greet. One that is only slow, or stopped, keeps its socket. */
const PATIENCE = 1_000

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
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") rmSync(socket, { force: true })
      end()
    })
    connection.once("close", () => end())
    connection.on("data", (chunk) => {
      try {
        const [line] = reader.push(chunk)
        if (line === undefined) return
        const { graft, pid, started, location } = JSON.parse(line) as Greeting
        end({ pid, socket, version: graft, started, location })
      } catch {
        end()
      }
    })
  })
}
