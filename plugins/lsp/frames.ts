/** What a server writes, bounded before anybody collects it: a message that is too long, or a header that is none, ends it. */
import { Transform } from "node:stream"

/** Bytes of one message, and of the lines before it. */
const MOST_MESSAGE = 32 * 1024 * 1024
const MOST_HEADER = 8 * 1024
const END = Buffer.from("\r\n\r\n")

export function boundedFrames(wrong: (why: string) => void): Transform {
  /** Bytes of the present message that are still to come; below zero: its header is. */
  let left = -1
  let header = Buffer.alloc(0)
  let broken = false
  const fail = (why: string) => {
    broken = true
    wrong(why)
  }
  return new Transform({
    transform(chunk: Buffer, _, done) {
      for (let at = 0; at < chunk.length && !broken;) {
        if (left >= 0) {
          const taken = Math.min(left, chunk.length - at)
          at += taken
          left = left === taken ? -1 : left - taken
          continue
        }
        const before = header.length
        header = Buffer.concat([header, chunk.subarray(at, at + MOST_HEADER)])
        const end = header.indexOf(END)
        if (end < 0) {
          if (header.length >= MOST_HEADER) fail("it does not speak the protocol")
          at += header.length - before
          continue
        }
        const length = Number(/(?:^|\r\n)content-length: *(\d+)/i.exec(header.toString("latin1", 0, end))?.[1] ?? NaN)
        at += end + END.length - before
        header = Buffer.alloc(0)
        if (Number.isNaN(length)) fail("it does not speak the protocol")
        else if (length > MOST_MESSAGE) fail(`it sent more than ${MOST_MESSAGE / 1024 / 1024} MiB in one message`)
        else left = length === 0 ? -1 : length
      }
      // What is broken is not passed on, and nothing is held back.
      if (!broken) this.push(chunk)
      done()
    },
  })
}
