/** From nothing to a live and tested plugin: what `graft plugin new`, `dev` and `test` say and end with, in a home where nothing is. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, test, vi } from "vitest"
import { scaffold } from "../../plugins/cli/commands/plugin/scaffold.ts"
import { place, ROOT, type Place } from "./graft.ts"

vi.setConfig({ testTimeout: 90_000 })

const withTsc = { PATH: `${join(ROOT, "node_modules/.bin")}${delimiter}${process.env.PATH}` }

describe("the commands", () => {
  let here: Place
  beforeAll(() => {
    here = place()
    here.config({ catalogue: { refresh: false } })
  })
  afterAll(() => here[Symbol.dispose]())

  it("new makes it, and the next run uses it", async () => {
    const made = await here.graft(["plugin", "new", "dice"])
    expect(made).toMatchObject({ code: 0, out: `${join(here.plugins, "dice.ts")}\n` })
    expect(made.err).toContain(`${join(here.plugins, "test/dice.test.ts")}  (its first test)\n`)
    expect(made.err).toContain("It is live now in every running graft, and at each save.\n  graft run --allow dice 'use dice {\"sides\": 6}'   the demo model calls it\n  graft plugin dev dice    what each save does, as you save\n  graft plugin test dice   its test, and the laws that every plugin keeps\n")
    expect(await here.graft(["run", "--allow", "dice", 'use dice {"sides": 6}'])).toMatchObject({ code: 0, out: expect.stringMatching(/rolled [1-6]/) as string })
    expect(await here.graft(["plugin", "new", "dice", "--template", "tol"])).toMatchObject({ code: 2, err: expect.stringContaining('"tol" is no template; did you mean "tool"?') as string })
  })

  it("test runs its spec and its laws, and its exit code says whether all of it held", async () => {
    const held = await here.graft(["plugin", "test", "dice"])
    expect(held, held.out + held.err).toMatchObject({ code: 0, out: expect.stringMatching(/pass 2\n[\s\S]*dice keeps all 8 laws that were tried/) as string })
    const file = join(here.plugins, "dice.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace("setup(graft) {", "setup(graft) {\n    setInterval(() => {}, 60_000)").replace("`rolled ", "`threw "))
    const broken = await here.graft(["plugin", "test", "dice"])
    expect(broken).toMatchObject({ code: 1, out: expect.stringMatching(/fail 1\n[\s\S]*✗ unload: [\s\S]*dice\.ts:7:5\n/) as string })
    expect(await here.graft(["plugin", "test", "nothing"])).toMatchObject({ code: 2, err: expect.stringContaining('there is no plugin "nothing"') as string })
  })

  it("dev shows each save as its transaction, types behind it, what it prints, and the frame of what breaks", async () => {
    rmSync(join(here.plugins, "dice.ts"))
    rmSync(join(here.plugins, "test"), { recursive: true })
    await here.graft(["plugin", "new", "dice"])
    const file = join(here.plugins, "dice.ts")
    const good = readFileSync(file, "utf8")
    const dev = here.start(["plugin", "dev", "dice"], { env: withTsc, input: false })
    await dev.says("types: they are right", await dev.says(/dice@1 is live {2}settle [\d.]+ · load [\d.]+ · stage [\d.]+ · commit [\d.]+ ms\n +\+ tool dice/))
    writeFileSync(file, good.replace("setup(graft) {", 'setup(graft) {\n    console.log("hello", { from: "dice" })\n    graft.on("model.added", () => {})').replace('["read"]', '["rea"]'))
    let at = await dev.says(/console\.log hello \{ from: 'dice' \}/)
    at = await dev.says(/dice@2 is live .*\n +\+ on model\.added {3}1 as before/, at)
    at = await dev.says(/dice\.ts:\d+:\d+ TS2820: Type '"rea"' is not assignable to type 'Effect'/, at)
    writeFileSync(file, good.replace("setup(graft) {", 'setup(graft) {\n    throw new Error("broken")'))
    at = await dev.says(/dice failed in stage at .*dice\.ts:7:11: broken\n +dice@2 goes on\n[^>]*> +7 \| {5}throw new Error\("broken"\)/, at)
    writeFileSync(file, good)
    await dev.says(/dice@3 is live/, at)
    dev.kill("SIGINT")
    expect(await dev.ended).toMatchObject({ code: 0 })
  })

  it("dev takes a file that lies in no directory of plugins", async () => {
    const file = join(here.project, "stray.ts")
    writeFileSync(file, 'export default { setup(graft) { graft.add("tool", { name: "stray", description: "Says nothing", input: {}, execute: () => "" }) } }\n')
    const dev = here.start(["plugin", "dev", "stray.ts"], { input: false })
    const at = await dev.says(/stray@1 is live .*\n +\+ tool stray/)
    await dev.says(`types: not checked: there is no ${join(here.project, "tsconfig.json")}`, at)
    dev.kill("SIGINT")
    expect(await dev.ended).toMatchObject({ code: 0 })
    expect(readdirSync(here.project)).toEqual([".git", "package.json", "stray.ts"])
  })
})

test("specs of an author who has vitest run by that", async () => {
  using here = place()
  const made = scaffold(here.plugins, "dice", "tool", ROOT, [])
  writeFileSync(made.test, 'import { expect, test } from "vitest"\nimport { createTestKernel } from "graft/testing"\ntest("rolls", async () => {\n  await using kernel = await createTestKernel({ plugins: [new URL("../dice.ts", import.meta.url)] })\n  expect((await kernel.call("dice", { sides: 6 })).outcome).toBe("ok")\n})\n')
  expect(await here.graft(["plugin", "test", made.test])).toMatchObject({ code: 1, err: expect.stringContaining(`${made.test}: it imports vitest, which is not installed here: npm install -D vitest, or import from node:test`) as string })
  execFileSync("ln", ["-s", join(ROOT, "node_modules"), join(here.plugins, "node_modules")])
  const outcome = await here.graft(["plugin", "test", made.test])
  expect(outcome, outcome.out + outcome.err).toMatchObject({ code: 0, out: expect.stringMatching(/1 passed/) as string })
})

test("of a project that nobody trusts nothing runs: no spec, no plugin, no compiler that it brings along", async () => {
  using here = place()
  const plugins = join(here.project, ".graft/plugins")
  const { file } = scaffold(plugins, "evil", "tool", ROOT, [])
  const marks = join(here.home, "ran")
  const ran = `import { appendFileSync } from "node:fs"\nappendFileSync(${JSON.stringify(marks)}, "ran")\n`
  writeFileSync(file, ran + readFileSync(file, "utf8"))
  writeFileSync(join(plugins, "test/evil.test.ts"), ran)
  mkdirSync(join(plugins, "node_modules/.bin"), { recursive: true })
  writeFileSync(join(plugins, "node_modules/.bin/tsc"), `#!/bin/sh\necho ran >> ${marks}\n`, { mode: 0o755 })
  for (const words of [["test"], ["test", "evil"], ["test", file.replace("evil.ts", "test/evil.test.ts")]]) expect(await here.graft(["plugin", ...words])).toMatchObject({ code: 2, err: expect.stringContaining("is this project's, and nobody has agreed to its code: graft trust allow, or name a file of yours") as string })
  const dev = here.start(["plugin", "dev", "evil"], { input: false, env: { PATH: here.home } })
  await dev.says(/types: no tsc was found/, await dev.says("it is this project's, which is not trusted: graft trust allow"))
  dev.kill("SIGINT")
  await dev.ended
  expect(existsSync(marks)).toBe(false)
  expect(await here.graft(["trust", "allow"])).toMatchObject({ code: 0 })
  await here.graft(["plugin", "test", "evil"])
  expect(existsSync(marks)).toBe(true)
})
