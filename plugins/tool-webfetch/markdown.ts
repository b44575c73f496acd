/**
 * HTML → Markdown, in a thread of its own: what a page can be made to cost (nesting, size) is then bounded in time and
 * memory, and holds up nobody.
 */
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

/** Milliseconds; a page of a megabyte takes one second. */
const PATIENCE = 5_000
const MOST_MEGABYTES = 256

/** Undefined: it could not be converted within its bounds. */
export async function markdownOf(html: string, signal: AbortSignal, patience = PATIENCE): Promise<string | undefined> {
  const turndown = createRequire(import.meta.url).resolve("turndown")
  const worker = new Worker(CONVERT, { eval: true, execArgv: [], env: {}, workerData: { turndown, html }, resourceLimits: { maxOldGenerationSizeMb: MOST_MEGABYTES } })
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const give = () => resolve(undefined)
  const late = setTimeout(give, patience)
  signal.addEventListener("abort", give, { once: true })
  worker.once("message", resolve).once("error", give).once("exit", give)
  try {
    return await promise
  } finally {
    clearTimeout(late)
    signal.removeEventListener("abort", give)
    await worker.terminate()
  }
}

/** An image's bytes that are written into the page say nothing; its text does. */
const CONVERT = `
  const { parentPort, workerData } = require("node:worker_threads")
  const Turndown = require(workerData.turndown)
  const service = new Turndown({ headingStyle: "atx", codeBlockStyle: "fenced", bulletListMarker: "-", emDelimiter: "*" })
  service.remove(["head", "title", "script", "style", "noscript", "template", "iframe", "svg", "canvas", "object", "form", "nav"])
  service.addRule("image", { filter: "img", replacement: (_, node) => (node.getAttribute("alt") ? "[image: " + node.getAttribute("alt") + "]" : "") })
  parentPort.postMessage(service.turndown(workerData.html).replace(/\\n{3,}/g, "\\n\\n").trim())
`
