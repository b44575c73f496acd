/** One instance serves a home, and a second terminal, a script and a program work there; whoever ends it loses nothing. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type * as client from "../../plugins/server/client/index.ts"
import { place, ROOT, type Place, type Running } from "./graft.ts"

let home: Place, server: Running
beforeEach(async () => {
  home = place()
  home.config({ permissions: { allow: ["*"] } })
  server = home.start(["serve", "--port", "0"], { input: false })
  await server.says("serving this home")
})
afterEach(() => home[Symbol.dispose]())

const connect = async (): Promise<client.Client> => {
  const { createClient } = (await import(join(ROOT, "dist/client.mjs"))) as typeof client
  return createClient({ url: server.out.trim(), token: readFileSync(join(home.home, ".local/share/graft/server.token"), "utf8").trim(), directory: home.project })
}

describe("graft serve", () => {
  it("serves a run from another terminal, and a program of the SDK, which sees all of it", async () => {
    const sdk = await connect()
    const feed = sdk.events({ events: ["session.*"] })
    expect((await feed.next()).value).toMatchObject({ type: "snapshot", snapshot: { sessions: [] } })
    const { code, out, err } = await home.graft(["run", "--attach", "write notes.txt: remember the milk"])
    expect({ code, notes: readFileSync(join(home.project, "notes.txt"), "utf8").trim() }).toEqual({ code: 0, notes: "remember the milk" })
    expect(out).toContain("notes.txt")
    expect(err).toContain(`instance ${server.child.pid} works`)
    const created = (await feed.next()).value as { event: string; payload: { session: string } }
    expect(created.event).toBe("session.created")
    const events: client.Event[] = []
    for await (const event of sdk.session(created.payload.session).events()) {
      events.push(event)
      if (event.type === "activity.settled") break
    }
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
    const { code: exit, out: lines } = await home.graft(["run", "--attach", "--continue", "--format", "jsonl", "read notes.txt"])
    const result = JSON.parse(lines.trim().split("\n").at(-1)!) as { type: string; session: string; state: string }
    expect({ exit, ...result }).toMatchObject({ exit: 0, type: "result", state: "done", session: created.payload.session })
    await feed.return()
  })

  it("is one a home: the second says where the first is, and settings of a process are none of another", async () => {
    expect(await home.graft(["serve"])).toMatchObject({ code: 1, err: expect.stringContaining(server.out.trim()) })
    expect(await home.graft(["run", "--attach", "--allow", "bash", "hello"])).toMatchObject({ code: 2, err: expect.stringContaining("--allow") })
    expect(await home.graft(["serve", "--port", "many"])).toMatchObject({ code: 2 })
  })

  it("ends at SIGTERM when what runs has ended; a run that is attached has its answer, and then nobody serves", async () => {
    const running = home.start(["run", "--attach", "run: sleep 1 && echo awake"])
    await running.says("works")
    const sdk = await connect()
    for await (const said of sdk.events({ events: ["tool.started"] })) {
      if (said.type === "fact" || (said.type === "snapshot" && said.snapshot.sessions.length > 0)) break
    }
    server.kill("SIGTERM")
    await server.says("what runs comes to its end")
    expect(await running.ended).toMatchObject({ code: 0, out: expect.stringContaining("awake") })
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
    expect(await home.graft(["run", "--attach", "hello"])).toMatchObject({ code: 1, err: expect.stringContaining("graft serve") })
  })
})
