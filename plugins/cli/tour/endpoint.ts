/** The tour's own model server, on loopback: it speaks OpenAI's chat protocol, slowly enough to be edited meanwhile. */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

export interface Endpoint { port: number; close(): void }

/** `delay`: milliseconds between two words. */
export async function openEndpoint(delay: number): Promise<Endpoint> {
  const server: Server = createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    response.writeHead(200, { "content-type": "text/event-stream" })
    for (const delta of answerTo(body).match(/\S+\s*/g) ?? []) {
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: delta } }] })}\n\n`)
      await new Promise((resolve) => setTimeout(resolve, delay))
    }
    response.end("data: [DONE]\n\n")
  })
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function answerTo(body: string): string {
  const { messages } = JSON.parse(body) as { messages: { content: string }[] }
  return `You reached me through the ${messages.at(-1)!.content} edition of hearth.ts. A turn ends on the code that began it: save the file while I speak, and this sentence still comes to its end.`
}
