/** Layers fold in one order, and every value can say who set it; what is wrong in one of them counts for nothing, and nothing else does. */
import fc from "fast-check"
import * as v from "valibot"
import { describe, expect, test } from "vitest"
import { check, type Judge } from "../../plugins/config/check.ts"
import type { Layer } from "../../plugins/config/contract.ts"
import { fromEnvironment } from "../../plugins/config/environment.ts"
import { overlay } from "../../plugins/config/hooks.ts"
import { formatPath, parsePath, spell } from "../../plugins/config/path.ts"
import { origins, type Sheet } from "../../plugins/config/sheet.ts"
import { difference, fold, isTree, leaves, valueAt, withValue, type Tree } from "../../plugins/lib/tree.ts"

const LAYERS: Layer[] = ["default", "user", "project", "env", "flag"]
const stack = (trees: readonly Tree[]): Sheet[] => trees.map((tree, i) => ({ layer: LAYERS[i]!, tree, place: () => ({ file: `/${LAYERS[i]}`, line: i }) }))

const key = fc.constantFrom("a", "b", "c.d", "e\\f")
const scalar = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constant(null), fc.constantFrom("x", "y"))
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 2 }, scalar, fc.array(scalar, { maxLength: 2 }), fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true })),
})).value
const tree: fc.Arbitrary<Tree> = fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true })
const trees = fc.array(tree, { minLength: 5, maxLength: 5 })

describe("the fold", () => {
  test("of the layers is, leaf by leaf, what the winner says", async () => {
    let asked = 0
    await fc.assert(fc.asyncProperty(trees, async (all) => {
      const sheets = stack(all)
      const whole = fold(all)
      for (const leaf of leaves(whole).filter(({ keys }) => keys.length > 0)) {
        const { winner, losers } = await origins(sheets, leaf.keys)
        expect(winner?.value).toEqual(leaf.value)
        // An empty object lies over a full one without hiding it.
        const said = sheets.filter((sheet) => valueAt(sheet.tree, leaf.keys) !== undefined).map(({ layer }) => layer).reverse()
        expect([winner!.layer, ...losers.map(({ layer }) => layer)].toSorted()).toEqual(said.toSorted())
        expect(winner).toMatchObject({ file: `/${winner!.layer}`, line: LAYERS.indexOf(winner!.layer) })
        asked++
      }
    }))
    expect(asked).toBeGreaterThan(100)
  })

  test("and where it says nothing there is no winner, though somebody may have lost", async () => {
    await fc.assert(fc.asyncProperty(trees, fc.array(key, { minLength: 1, maxLength: 3 }), async (all, keys) => {
      const { winner } = await origins(stack(all), keys)
      expect(winner === undefined).toBe(valueAt(fold(all), keys) === undefined)
    }))
    expect(await origins(stack([{ a: { b: 1 } }, { a: false }]), ["a", "b"])).toEqual({ losers: [{ layer: "default", file: "/default", line: 0, value: 1 }] })
  })

  test("merges objects and replaces everything else", () => {
    expect(fold([{ a: { x: 1, y: [1, 2] }, b: 1 }, { a: { y: [3] }, b: { z: 1 } }, { a: { x: null } }])).toEqual({ a: { x: null, y: [3] }, b: { z: 1 } })
  })
})

describe("a difference", () => {
  test("names exactly the leaves that differ", () => {
    fc.assert(fc.property(tree, tree, (before, after) => {
      const changed = difference(before, after).map((keys) => JSON.stringify(keys))
      const all = [...leaves(before), ...leaves(after)].map(({ keys }) => keys).filter((keys) => keys.length > 0)
      for (const keys of all) {
        const [then, now] = [valueAt(before, keys), valueAt(after, keys)]
        // An object that is filled, or emptied, changes in its leaves.
        const differs = JSON.stringify(then) !== JSON.stringify(now) && !(isTree(then) && isTree(now))
        expect([keys, changed.includes(JSON.stringify(keys))]).toEqual([keys, differs])
      }
      expect(changed.filter((id) => !all.some((keys) => JSON.stringify(keys) === id))).toEqual([])
    }))
  })
})

describe("a path", () => {
  test("is read back as it is written, whatever stands in its keys", () => {
    fc.assert(fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (keys) => { expect(parsePath(formatPath(keys))).toEqual(keys) }))
  })

  test("that is none is refused", () => {
    for (const path of ["a..b", ".a", "a.", "a\\", "a\\b"]) expect(() => parsePath(path), path).toThrow(expect.objectContaining({ code: "config.path" }))
  })

  test("finds a key with dots in it that is there", () => {
    const config = { models: { "gpt-4.1": { name: "x" } }, a: { b: 1 } }
    expect(spell(config, parsePath("models.gpt-4.1.name"))).toEqual(["models", "gpt-4.1", "name"])
    expect(spell(config, parsePath("a.c.d"))).toEqual(["a", "c", "d"])
  })
})

describe("the environment", () => {
  test("says JSON or text, in capitals, with two underscores for a dot", () => {
    const { tree, variable } = fromEnvironment({ GRAFT_CONFIG_MODEL: "a/b", GRAFT_CONFIG_CATALOGUE__REFRESH: "false", GRAFT_CONFIG_PERMISSIONS: '{"allow":["edit"]}', GRAFT_CONFIG_PERMISSIONS__DENY: '["bash"]', "GRAFT_CONFIG_PLUGINS__provider-X": "false", GRAFT_CONFIG_EMPTY: "", GRAFT_CONFIG_: "x", GRAFT_CONFIG___PROTO__: "x", OTHER: "1" })
    expect(tree).toEqual({ model: "a/b", catalogue: { refresh: false }, permissions: { allow: ["edit"], deny: ["bash"] }, plugins: { "provider-X": false } })
    expect([variable(["model"]), variable(["permissions", "allow"]), variable(["permissions", "deny"]), variable(["none"])]).toEqual(["GRAFT_CONFIG_MODEL", "GRAFT_CONFIG_PERMISSIONS", "GRAFT_CONFIG_PERMISSIONS__DENY", undefined])
  })
})

// ── checks ────────────────────────────────────────────────────────────────────────────────────────────────────────

const Server = v.strictObject({ url: v.pipe(v.string(), v.url()), retries: v.optional(v.number()) })
const schemas = {
  model: v.string(),
  rules: v.strictObject({ allow: v.optional(v.array(v.pipe(v.string(), v.regex(/^\w+$/)))), deny: v.optional(v.array(v.string())) }),
  servers: v.record(v.string(), Server),
}
const judges = new Map<string, Judge>(Object.entries(schemas).map(([id, schema]) => [id, (part) => (v.safeParse(schema, part).issues ?? []).map((issue) => ({ keys: (issue.path ?? []).map((step) => String(step.key)), message: issue.message }))]))
const checked = (...all: Tree[]) => {
  const { sheets, problems } = check(stack(all), judges, true)
  return { holds: fold(sheets.map((sheet) => sheet.tree)), wrong: problems.map(({ sheet, keys }) => `${sheet.layer} ${formatPath(keys)}`) }
}

describe("a mistake", () => {
  test("disables only itself, and the lower layer's value holds", () => {
    expect(checked({ model: "a/b" }, { model: 5, rules: { allow: ["edit"] } })).toEqual({ holds: { model: "a/b", rules: { allow: ["edit"] } }, wrong: ["user model"] })
    expect(checked({ rules: { deny: ["bash"] } }, { rules: { deny: "bash", alow: ["x"] } })).toEqual({ holds: { rules: { deny: ["bash"] } }, wrong: ["user rules.deny", "user rules.alow"] })
  })

  test("is one of the layer that brings it, even where a higher one hides it", () => {
    expect(checked({}, { model: 5 }, { model: "a/b" })).toEqual({ holds: { model: "a/b" }, wrong: ["user model"] })
  })

  test("in a list takes the item out, so that one bad rule does not lift the others", () => {
    expect(checked({}, { rules: { allow: ["edit", "not a rule", "read", 7] } })).toEqual({ holds: { rules: { allow: ["edit", "read"] } }, wrong: ["user rules.allow.3", "user rules.allow.1"] })
  })

  test("in a key that nobody knows is found only when all are there who could know it", () => {
    expect(checked({}, { modle: "a/b" })).toEqual({ holds: {}, wrong: ["user modle"] })
    expect(check(stack([{}, { modle: "a/b" }]), judges, false).problems).toEqual([])
  })

  test("of something missing is judged when all layers have spoken", () => {
    expect(checked({}, { servers: { home: { retries: 2 } } }, { servers: { home: { url: "http://x" } } })).toEqual({ holds: { servers: { home: { retries: 2, url: "http://x" } } }, wrong: [] })
    expect(checked({}, { servers: { home: { retries: 2 }, work: { url: "http://y" } } })).toEqual({ holds: { servers: { work: { url: "http://y" } } }, wrong: ["user servers.home"] })
    expect(checked({}, { servers: { home: { url: "nonsense", retries: 1 } } })).toEqual({ holds: { servers: {} }, wrong: ["user servers.home.url"] })
  })

  test("is not suspected of a reference, which is judged where it is used", () => {
    expect(checked({}, { servers: { home: { url: "{env:HOME_URL}" } } }).wrong).toEqual([])
  })

  test("a thousand times over takes the section of that layer along", () => {
    expect(checked({ rules: { allow: ["edit"] } }, { rules: { allow: Array.from({ length: 1_000 }, () => "not a rule") } })).toEqual({ holds: { rules: { allow: ["edit"] } }, wrong: ["user rules"] })
  })

  test("never survives, and never takes anything valid along, whatever the layers say", () => {
    const noise = fc.oneof(scalar, fc.constantFrom("edit", "not a rule"), fc.array(fc.oneof(scalar, fc.constant("edit")), { maxLength: 3 }))
    const server = fc.record({ url: fc.oneof(fc.constantFrom("http://x", "nonsense"), scalar), retries: fc.oneof(fc.nat(3), scalar), extra: scalar }, { requiredKeys: [] })
    const section = fc.record({ model: fc.oneof(fc.constant("a/b"), noise), rules: fc.oneof(noise, fc.record({ allow: noise, deny: noise, other: noise }, { requiredKeys: [] })), servers: fc.oneof(noise, fc.dictionary(fc.constantFrom("h", "w"), fc.oneof(server, noise), { maxKeys: 2, noNullPrototype: true })), stranger: scalar }, { requiredKeys: [] })
    let dropped = 0
    fc.assert(fc.property(fc.array(section, { minLength: 2, maxLength: 5 }), (all) => {
      const { sheets, problems } = check(stack(all), judges, true)
      const holds = fold(sheets.map((sheet) => sheet.tree))
      for (const [id, part] of Object.entries(holds)) expect(v.safeParse(schemas[id as "model"], part).issues).toBe(undefined)
      if (problems.length === 0) expect(holds).toEqual(fold(all))
      // What was taken out is what was complained about, and what cannot be without it.
      const inside = (keys: readonly string[], whole: readonly string[]) => whole.every((each, at) => each === keys[at])
      for (const [i, sheet] of sheets.entries()) {
        const named = [...problems.filter((problem) => problem.sheet.layer === sheet.layer).map(({ keys }) => keys), ...problems.filter(({ keys }) => keys.length > 2).map(({ keys }) => keys.slice(0, -1))]
        for (const { keys } of leaves(all[i]).filter((leaf) => leaf.keys.length > 0 && valueAt(sheet.tree, leaf.keys) === undefined)) {
          dropped++
          expect(named.some((wrong) => inside(keys, wrong) || inside(wrong, keys))).toBe(true)
        }
      }
    }))
    expect(dropped).toBeGreaterThan(50)
  })
})

describe("a hook", () => {
  const sheets = stack([{ a: { x: 1 }, list: [1] }, { a: { y: 2 }, old: true }])
  const before = fold(sheets.map((sheet) => sheet.tree))
  const load = (after: Tree, ...paths: (string | number)[][]) => overlay(sheets, before, after, [{ by: "compat@1", patches: paths.map((path) => ({ op: "replace", path: ["tree", ...path] })) }])

  test("speaks in the place of the layer that had spoken, in its own name", async () => {
    const laid = load({ ...before, a: { x: 9, y: 2 } }, ["a", "x"])
    expect(fold(laid.map((sheet) => sheet.tree))).toEqual({ a: { x: 9, y: 2 }, list: [1], old: true })
    expect(await origins(laid, ["a", "x"])).toEqual({ winner: { layer: "default", file: "/default", line: 0, value: 9, by: "compat@1" }, losers: [{ layer: "default", file: "/default", line: 0, value: 1 }] })
  })

  test("can rename a key, cut one out, and change a list", () => {
    const trees = (laid: Sheet[]) => fold(laid.map((sheet) => sheet.tree))
    expect(trees(load({ a: { x: 1 }, list: [1, 2], fresh: true }, ["old"], ["fresh"], ["a", "y"], ["list", 1]))).toEqual({ a: { x: 1 }, list: [1, 2], fresh: true })
    expect(trees(load({ ...before, a: { z: 1 } }, ["a"]))).toEqual({ ...before, a: { z: 1 } })
  })

  test("leaves exactly what it made of the tree, whatever it did to it", () => {
    fc.assert(fc.property(trees, fc.array(fc.record({ keys: fc.array(key, { minLength: 1, maxLength: 2 }), to: fc.option(value, { nil: undefined }) }), { maxLength: 4 }), (all, edits) => {
      const merged = fold(all)
      const after = edits.reduce<Tree>((now, { keys, to }) => (to === undefined ? JSON.parse(JSON.stringify(withValue(now, keys, undefined))) as Tree : withValue(now, keys, to)), merged)
      const laid = overlay(stack(all), merged, after, [{ by: "h@1", patches: edits.map(({ keys }) => ({ op: "replace", path: ["tree", ...keys] })) }])
      expect(fold(laid.map((sheet) => sheet.tree))).toEqual(after)
    }))
  })
})
