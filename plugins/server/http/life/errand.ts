/** One call on another instance of this home, by its socket. */
import { connect } from "node:net"
import { LineReader } from "../../../lib/lines.ts"
import type { Call, Instance, ServerMessage } from "../../contract.ts"
import { pipeOf } from "../../socket/endpoint.ts"

/** Milliseconds that it may take to answer. */
const PATIENCE = 5_000
const LINE = 1_048_576

export function callOn({ socket, pid }: Instance, call: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const connection = connect(pipeOf(socket))
    const reader = new LineReader(LINE)
    const fail = (code: string, message: string) => {
      connection.destroy()
      reject(Object.assign(new Error(message), { code }))
    }
    connection.setTimeout(PATIENCE, () => fail("server.absent", `the instance ${pid} did not answer within ${PATIENCE / 1_000} s`))
    connection.on("error", () => {}).once("close", () => fail("server.absent", `the instance ${pid} has ended`))
    connection.on("data", (chunk) => {
      for (const line of reader.push(chunk)) {
        const message = JSON.parse(line) as ServerMessage
        if (!("id" in message)) continue
        if ("error" in message) return fail(message.error.code, message.error.message)
        resolve("result" in message ? message.result : undefined)
        connection.destroy()
      }
    })
    connection.write(`${JSON.stringify({ id: 1, call })}\n`)
  })
}
