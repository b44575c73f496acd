/** What is attached is there before the input is: its bytes are kept, known for what they are, or the input is refused and says why. */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readMedia } from "../../plugins/lib/media.ts"
import { sizeOf } from "../../plugins/lib/picture.ts"
import { openLife, type Life } from "../fixtures/life.ts"

const PNG = Buffer.from("89504e470d0a1a0a0000000d", "hex")
const MEBIBYTE = 1024 * 1024

let life: Life
let server: Server
let url: string
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/big.png") return void response.end(Buffer.concat([PNG, Buffer.alloc(21 * MEBIBYTE)]))
    if (request.url === "/gone") return void response.writeHead(404).end("no")
    if (request.url === "/away") return void response.writeHead(302, { location: "/pictures/cat.png" }).end()
    response.setHeader("content-type", "text/html")
    response.end(PNG)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  life = await openLife({ config: { web: { private: ["127.0.0.1"] } }, only: ["config", "store", "eventlog", "session", "runner", "instruction", "tool", "permission", "tool-webfetch"] })
})
afterAll(async () => {
  await life?.[Symbol.asyncDispose]()
  server?.close()
})

const admitted = async (files: string[], words = "look") => {
  const id = await life.session()
  await life.graft.session.prompt({ session: id, text: words, files, resume: false })
  return (await life.graft.session.inbox(id))[0]!.files!
}
const refusal = (files: string[]) => expect(admitted(files)).rejects

describe("what is attached", () => {
  it("is a path, a file: URL, an address or data, all by one rule; what it is its bytes say", async () => {
    const path = life.put("pictures/cat.txt", PNG)
    const wanted = { name: "cat.txt", media: "image/png", bytes: PNG.length }
    expect(await admitted([path, "pictures/cat.txt", pathToFileURL(path).href])).toMatchObject([wanted, wanted, wanted])
    expect(await admitted([`${url}/pictures/dog.png?size=1`, `${url}/away`])).toMatchObject([{ ...wanted, name: "dog.png" }, { ...wanted, name: "cat.png" }])
    const [data] = await admitted([`data:text/plain;base64,${PNG.toString("base64")}`])
    expect(data).toMatchObject({ media: "image/png", bytes: PNG.length })
    expect(Buffer.from((await life.graft.store.getBlob(data!.blob))!)).toEqual(PNG)
  })

  it("is made smaller where it is a picture that is too large for models", async () => {
    const { PhotonImage } = createRequire(import.meta.url)("@silvia-odwyer/photon-node") as { PhotonImage: new (raw: Uint8Array, width: number, height: number) => { get_bytes(): Uint8Array } }
    life.put("large.png", new PhotonImage(new Uint8Array(2_400 * 600 * 4).fill(99), 2_400, 600).get_bytes())
    const [large] = await admitted(["large.png"])
    expect(sizeOf((await life.graft.store.getBlob(large!.blob))!, large!.media)).toEqual({ width: 2_000, height: 500 })
  })

  it("stays when its file goes, and is the same answer for the same question", async () => {
    const path = life.put("fleeting.md", "# read me\n")
    const id = await life.session()
    const ask = { session: id, text: "read", files: [path], id: "inp_once", resume: false }
    const receipt = await life.graft.session.prompt(ask)
    rmSync(path)
    expect(await life.graft.session.prompt(ask)).toEqual(receipt)
    await expect(life.graft.session.prompt({ ...ask, files: [] })).rejects.toMatchObject({ code: "session.conflict" })
    await life.graft.session.run(id)
    await life.graft.session.wait(id)
    const message = (await life.graft.session.messages(id)).find(({ role }) => role === "user")!
    expect(message.parts).toMatchObject([{ kind: "text", text: "read" }, { kind: "file", name: "fleeting.md", media: "text/plain" }])
    expect(JSON.stringify(life.requests.at(-1)!.messages)).toContain("read me")
  })

  it("may be all that is said", async () => {
    expect(await admitted(["data:,hello%20there"], "")).toMatchObject([{ media: "text/plain", bytes: 11 }])
  })

  it("is text in UTF-8, whatever it was", () => {
    const wide = Buffer.from("\uFEFFgrüße", "utf16le")
    expect(readMedia(wide)).toEqual({ media: "text/plain", bytes: Buffer.from("grüße") })
    expect(readMedia(Buffer.from("\uFEFFx"))!.bytes).toEqual(Buffer.from("x"))
    expect(readMedia(Buffer.from("gr\xfc\xdfe", "latin1"))).toBeUndefined()
  })

  it.each<[string, string]>([
    ["image/png", "89504e470d0a1a0a"], ["image/jpeg", "ffd8ffe0"], ["image/gif", "474946383961"], ["image/webp", "52494646000000005745425056503820"],
    ["application/pdf", "255044462d312e37"], ["audio/wav", "524946460000000057415645"], ["audio/mpeg", "4944330400"], ["text/plain", "3c7376673e"], ["text/plain", ""],
  ])("is known as %s by its first bytes", (media, hex) => {
    expect(readMedia(Buffer.from(hex, "hex"))?.media).toBe(media)
  })
})

describe("refused, with nothing admitted, is", () => {
  const because = (words: string | RegExp) => ({ code: "session.attachment", message: expect.stringMatching(words) as string })

  it("what is not there, no file, not to be read, or too large", async () => {
    mkdirSync(join(life.project, "folder"))
    await refusal(["nothing.png"]).toMatchObject(because(/nothing\.png is not there/))
    await refusal(["folder"]).toMatchObject(because(/is a directory: attach the files/))
    await refusal(["/dev/null"]).toMatchObject(because(/no regular file/))
    symlinkSync("loop", join(life.project, "loop"))
    await refusal(["loop"]).toMatchObject(because(/loop/))
    await refusal([life.put("large.png", Buffer.concat([PNG, Buffer.alloc(20 * MEBIBYTE)]))]).toMatchObject(because(/at most 20971520 together/))
    await refusal([life.put("long.txt", "x".repeat(MEBIBYTE + 1))]).toMatchObject(because(/name its path in the words instead/))
    await refusal([life.put("tool.exe", Buffer.from([0x4d, 0x5a, 0, 0]))]).toMatchObject(because(/neither text/))
    const secret = life.put("secret", "x")
    chmodSync(secret, 0)
    if (process.getuid?.() !== 0) await refusal([secret]).toMatchObject(because(/cannot be read/))
    writeFileSync(join(life.project, "half.png"), Buffer.concat([PNG, Buffer.alloc(11 * MEBIBYTE)]))
    await refusal(["half.png", "half.png"]).toMatchObject(because(/half\.png has/))
  })

  it("an address that has nothing, too much, or is of this network and not named in the config", async () => {
    await refusal([`${url}/gone`]).toMatchObject(because(/answers 404/))
    await refusal([`${url}/big.png`]).toMatchObject(because(/at most 20971520/))
    for (const address of ["http://localhost:1/x", "http://[::1]:1/x", "http://169.254.169.254/latest", "http://0x7f.1.2.3/"]) await refusal([address]).toMatchObject(because(/of this machine or its network/))
    await refusal(["http://user:secret@example.com/x"]).toMatchObject(because(/name or password/))
  })

  it("data that is none", async () => {
    await refusal(["data:text/plain"]).toMatchObject(because(/no comma/))
    await refusal(["data:,%zz"]).toMatchObject(because(/not encoded/))
  })

  it("too many, or none at all where nothing is said", async () => {
    for (const files of [Array.from({ length: 21 }, () => "a"), [5], "a.png", [""]]) await refusal(files as string[]).toMatchObject({ code: "session.invalid" })
    const id = await life.session()
    await expect(life.graft.session.prompt({ session: id, text: "", files: [] })).rejects.toMatchObject({ code: "session.empty" })
    await expect(life.graft.session.prompt({ session: id, text: "ü".repeat(600_000) })).rejects.toMatchObject({ code: "session.invalid", message: expect.stringContaining("attach the file") as string })
  })

  it("any address while Graft runs offline", async () => {
    await life.graft.config.flags({ offline: true })
    await refusal([`${url}/pictures/cat.png`]).toMatchObject(because(/runs offline/))
    await life.graft.config.flags({})
  })
})
