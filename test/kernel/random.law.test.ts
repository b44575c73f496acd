/** Whatever people do to their plugins, in whatever order, the kernel ends where the model says (L1–L3, L5, L6, L10–L12). */
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { Lab, outcome, serving, shape, soon, turns } from "./harness.ts"
import { closureOf, settle, undo, unknown, type Content, type Helper, type Model } from "./model.ts"

const ids = ["a", "b", "c", "d"]
const kinds = ["good", "good", "good", "syntax", "empty", "partial", "throws"] as const

type Command =
  | { do: "write"; id: string; kind: Content["kind"] }
  | { do: "remove" | "restore" | "touch" | "rewrite" | "disable" | "enable" | "undo" | "slow" | "stream"; id: string }
  | { do: "rename"; from: string; to: string }
  | { do: "helper"; kind: Helper["kind"] | "gone" }
  | { do: "emit" | "settle" }

const id = fc.constantFrom(...ids)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("write" as const), id, kind: fc.constantFrom(...kinds) }) },
  { weight: 8, arbitrary: fc.constant({ do: "settle" as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("remove" as const, "restore" as const, "touch" as const, "rewrite" as const), id }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("disable" as const, "enable" as const, "undo" as const), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("slow" as const, "stream" as const), id }) },
  { weight: 2, arbitrary: fc.constantFrom({ do: "rename" as const, from: "c", to: "d" }, { do: "rename" as const, from: "d", to: "c" }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("helper" as const), kind: fc.constantFrom("good" as const, "good" as const, "syntax" as const, "gone" as const) }) },
  { weight: 2, arbitrary: fc.constant({ do: "emit" as const }) },
)

function sourceOf(content: Content): string {
  const good = serving(content.version, {
    head: content.shared ? `import { shared } from "./_shared.ts"` : "",
    fields: content.needs ? `needs: ["${content.needs}"],` : "",
    body: `graft.add("more", { name: graft.id, version, shared: ${content.shared ? "shared" : "null"} })\n${content.kind === "throws" ? `await null\n    throw new Error("no")` : ""}`,
  })
  return content.kind === "empty" ? "" : content.kind === "partial" ? good.slice(0, good.length / 2) : content.kind === "syntax" ? `${good}\n}` : good
}

/** The kernel under test and the model beside it. */
class Bench {
  readonly lab = new Lab()
  model: Model = { files: {}, helper: undefined, plugins: Object.fromEntries(ids.map((id) => [id, unknown])) }
  #version = 0
  #removed: Record<string, Content> = {}
  #rows = new Map<string, { gen: number; row: unknown }>()
  #emitted = 0
  #held: { what: string; wanted: number; got: Promise<unknown> }[] = []

  async run(command: Command): Promise<void> {
    const { lab, model } = this
    const plugin = "id" in command ? model.plugins[command.id]! : unknown
    switch (command.do) {
      case "settle": return this.#settle(() => lab.settle())
      case "write": return this.#write(command.id, { kind: command.kind, version: ++this.#version, shared: command.id === "c" || command.id === "d", ...(command.id === "b" ? { needs: "a" } : {}) })
      case "restore": if (this.#removed[command.id] && !model.files[command.id]) this.#write(command.id, this.#removed[command.id]!); return
      case "rewrite": if (model.files[command.id]) this.#write(command.id, model.files[command.id]!); return
      case "touch": if (model.files[command.id]) lab.touch(`${command.id}.ts`); return
      case "remove": if (model.files[command.id]) { lab.remove(`${command.id}.ts`); this.#files({ [command.id]: undefined }) } return
      case "rename": if (model.files[command.from] && !model.files[command.to]) { lab.rename(`${command.from}.ts`, `${command.to}.ts`); this.#files({ [command.from]: undefined, [command.to]: model.files[command.from] }) } return
      case "helper": return this.#helper(command.kind)
      case "disable": case "enable": {
        const turn = command.do
        return this.#settle(async () => { this.#plugin(command.id, { disabled: turn === "disable" }); await lab.kernel.graft.kernel[turn](command.id); await lab.settle() })
      }
      case "undo": {
        await this.#settle(() => lab.settle())
        // What stood on disk when the live closure was committed must still stand there: else it is not clear what is undone.
        const live = this.model.plugins[command.id]!.live
        if (!live || closureOf(this.model.files[command.id]!, this.model.helper) !== live.closure) return
        this.model = undo(this.model, command.id)
        return this.#settle(async () => { await lab.kernel.undo(command.id); await lab.settle() })
      }
      case "emit": return lab.graft.emit("law.told", { n: ++this.#emitted })
      case "slow": case "stream": {
        if (!plugin.live || this.#held.length > 2) return
        const wanted = plugin.live.content.version
        if (command.do === "slow") return void this.#held.push({ what: `a call of ${command.id}`, wanted, got: lab.graft.use(command.id).slow("held") })
        const stream = lab.graft.use(command.id).stream("held") as AsyncIterableIterator<number>
        const iterator = stream[Symbol.asyncIterator]()
        expect((await soon("the first", iterator.next())).value).toBe(wanted)
        this.#held.push({ what: `a stream of ${command.id}`, wanted, got: iterator.next().then(async ({ value }) => { await iterator.return!(); return value as number }) })
      }
    }
  }

  #write(id: string, content: Content): void {
    this.lab.write(`${id}.ts`, sourceOf(content))
    this.#removed[id] = content
    this.#files({ [id]: content })
  }

  #helper(kind: Helper["kind"] | "gone"): void {
    const version = ++this.#version
    if (kind !== "gone") this.lab.write("_shared.ts", kind === "good" ? `export const shared = ${version}` : "export const shared =")
    else if (this.model.helper) this.lab.remove("_shared.ts")
    this.model = { ...this.model, helper: kind === "gone" ? undefined : { kind, version } }
  }

  #files(change: Record<string, Content | undefined>): void {
    const files = { ...this.model.files, ...change }
    this.model = { ...this.model, files: Object.fromEntries(Object.entries(files).filter((entry): entry is [string, Content] => entry[1] !== undefined)) }
  }

  #plugin(id: string, change: Partial<Model["plugins"][string]>): void {
    this.model = { ...this.model, plugins: { ...this.model.plugins, [id]: { ...this.model.plugins[id]!, ...change } } }
  }

  async #settle(act: () => Promise<void>): Promise<void> {
    const { lab } = this
    const heard = ids.filter((id) => this.model.plugins[id]!.live)
    const emitted = this.#emitted
    await act()
    this.model = settle(this.model)
    await lab.settle()
    // How often a newcomer came and went while the disk was in between is a matter of timing; from then on its number is not.
    for (const id of ids) if (!heard.includes(id)) this.#plugin(id, { gen: this.model.plugins[id]!.live ? lab.gen(id) : 0 })
    const { plugins } = this.model
    const live = ids.filter((id) => plugins[id]!.live)
    // L1, L2, L12: exactly the rows and services of the live generations, whole, and no generation more or less than closures changed.
    expect([...lab.graft.all("thing")]).toEqual(live.map((id) => ({ name: id, version: plugins[id]!.live!.content.version })))
    expect([...lab.graft.all("more")]).toEqual(live.map((id) => { const [content, helper] = JSON.parse(plugins[id]!.live!.closure) as [Content, Helper | "none"]; return { name: id, version: content.version, shared: helper === "none" ? null : helper.version } }))
    expect(lab.root.services).toEqual(Object.fromEntries(live.map((id) => [id, `${id}@${plugins[id]!.gen}`])))
    expect(await Promise.all(live.map((id) => lab.graft.use(id).version()))).toEqual(live.map((id) => plugins[id]!.live!.content.version))
    expect(lab.root.plugins.filter(({ status, reason }) => (status === "live") !== (reason === ""))).toEqual([])
    // L3, L11: what was not replaced is the very same.
    for (const id of live) {
      const row: unknown = lab.graft.all("thing").get(id)
      const before = this.#rows.get(id)
      if (before?.gen === plugins[id]!.gen) expect(row).toBe(before.row)
      this.#rows.set(id, { gen: plugins[id]!.gen, row })
    }
    for (const id of ids) if (!live.includes(id)) this.#rows.delete(id)
    // L5: told once to each who was and is there; to who came or went, at most once.
    for (let n = 1; n <= emitted; n++) {
      for (const id of ids) {
        const times = lab.notes.filter((note) => new RegExp(`^${id}@\\d+ ${n}$`).test(note)).length
        if (heard.includes(id) && live.includes(id)) expect(`${id} heard ${n} ${times} times`).toBe(`${id} heard ${n} 1 times`)
        else expect(times).toBeLessThanOrEqual(1)
      }
    }
    this.#emitted = lab.notes.length = 0
    // L6: whoever was in the middle ends where it began.
    lab.open("held")
    for (const { what, wanted, got } of this.#held.splice(0)) expect({ what, ...(await soon(what, outcome(got))) }).toEqual({ what, value: wanted })
    lab.gates.delete("held")
    await turns()
  }

  /** L10: as a cold start would have it, for whoever's last version is good and was not undone. */
  async end(): Promise<void> {
    await this.#settle(() => this.lab.settle())
    await using cold = new Lab({ roots: [{ dir: this.lab.plugins, per: "process" }] })
    await cold.settle()
    const { plugins, files, helper } = this.model
    const same = ids.filter((id) => !plugins[id]!.disabled && plugins[id]!.refused === undefined && files[id] && plugins[id]!.live?.closure === closureOf(files[id], helper))
    const only = (lab: Lab) => (shape(lab.kernel.inspect()) as { plugins: { id: string }[] }[])[0]!.plugins.filter(({ id }) => same.includes(id) && (files[id]!.needs === undefined || same.includes(files[id]!.needs!)))
    expect(only(cold)).toEqual(only(this.lab))
  }
}

it("the random model (L1–L3, L5, L6, L10–L12)", async () => {
  await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 40, size: "max" }), async (commands) => {
    const bench = new Bench()
    await using _ = bench.lab
    for (const command of commands) await bench.run(command)
    await bench.end()
  }), { numRuns: Number(process.env.LAW_RUNS ?? 100) })
}, 600_000)
