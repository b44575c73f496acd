/** Sessions out of here and into here: JSON lines, whole or not at all. */
import { randomBytes } from "node:crypto"
import { createReadStream } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import type { Asked } from "./session.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { titleOf } from "../../session.ts"

/** Bytes of one line: a blob may be in it. */
const MOST = 96 * 1024 * 1024

export async function exportTo({ graft, session, terminal, values }: Asked): Promise<number> {
  const until = values.until === undefined ? undefined : Number(values.until)
  if (until !== undefined && !Number.isInteger(until)) throw new UsageError(`--until is the number of an event, not "${values.until}"`)
  const lines = graft.session.export(session.id, until === undefined ? {} : { until })
  if (values.output === undefined) {
    for await (const line of lines) {
      terminal.signal.throwIfAborted()
      terminal.out(`${line}\n`)
    }
    return EXIT.done
  }
  const target = resolve(terminal.directory, values.output)
  const beside = join(dirname(target), `.graft-${randomBytes(6).toString("hex")}`)
  try {
    {
      // What was said is private.
      await using file = await open(beside, "wx", 0o600)
      for await (const line of lines) {
        terminal.signal.throwIfAborted()
        await file.write(`${line}\n`)
      }
      await file.sync()
    }
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  terminal.err(`${session.id} is in ${target}\n`)
  return EXIT.done
}

export async function importFrom({ graft, terminal, rest: [file] }: Omit<Asked, "session">): Promise<number> {
  if (file === undefined) throw new UsageError("say from where: graft session import <file>, or - for stdin")
  const session = await graft.session.import(linesOf(file === "-" ? terminal.input : createReadStream(resolve(terminal.directory, file))))
  terminal.out(`${session.id}\n`)
  terminal.err(`imported: ${titleOf(session)}, of ${session.directory}\n`)
  return EXIT.done
}

/** A line that is no UTF-8 is named by its number. */
export async function* linesOf(input: AsyncIterable<string | Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let [parts, length, number]: [Buffer[], number, number] = [[], 0, 0]
  const line = () => {
    number++
    try {
      return decoder.decode(Buffer.concat(parts))
    } catch {
      throw new Error(`line ${number}: it is not UTF-8`)
    } finally {
      ;[parts, length] = [[], 0]
    }
  }
  for await (const given of input) {
    const chunk = typeof given === "string" ? Buffer.from(given) : given
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(10, from)
      const part = chunk.subarray(from, end < 0 ? undefined : end)
      if ((length += part.length) > MOST) throw new Error(`line ${number + 1}: it is longer than ${MOST} bytes`)
      parts.push(part)
      if (end < 0) break
      yield line()
      from = end + 1
    }
  }
  if (length > 0) yield line()
}
