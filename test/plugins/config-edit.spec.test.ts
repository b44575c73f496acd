/** An edit of a config touches what it is about and nothing else: every comment, every other byte of order and style stays. */
import fc from "fast-check"
import { parse } from "jsonc-parser"
import { describe, expect, test } from "vitest"
import { isDocument, parseDocument } from "../../plugins/lib/jsonc.ts"
import { edit } from "../../plugins/lib/jsonc-edit.ts"
import { plain, valueAt, withValue, without, type Tree } from "../../plugins/lib/tree.ts"

async function edited(text: string, keys: string[], value: unknown): Promise<string> {
  const parsed = await parseDocument(text)
  if (!isDocument(parsed)) throw new Error(`line ${parsed.line}: ${parsed.message}`)
  return edit(text, parsed.tree, keys, value)
}

const sample = `// who reads this?
{
  "model": "demo/demo", // the one I like
  /* providers */
  "providers": {
    "local": { "url": "http://127.0.0.1:8080/v1" } // at home
    // , "work": {}
  },
  "permissions": {
    "allow": [
      "edit", // files
    ],
  },
}
// the end
`

describe("an edit", () => {
  test("replaces a value where it stands", async () => {
    expect(await edited(sample, ["model"], "acme/a")).toBe(sample.replace("demo/demo", "acme/a"))
    expect(await edited(sample, ["providers", "local", "url"], null)).toBe(sample.replace('"http://127.0.0.1:8080/v1"', "null"))
  })

  test("adds a key behind the last one and behind what is said about it, in the style of the file", async () => {
    expect(await edited(sample, ["permissions", "deny"], ["bash:rm *"])).toBe(sample.replace('    ],\n', '    ],\n    "deny": ["bash:rm *"],\n'))
    expect(await edited(sample, ["providers", "work", "url"], "https://x")).toBe(sample.replace(' } // at home\n', ' }, // at home\n    "work": {\n      "url": "https://x"\n    }\n'))
    expect(await edited(sample, ["providers", "local", "name"], "Home")).toBe(sample.replace('/v1" }', '/v1", "name": "Home" }'))
    expect(await edited("{\r\n\t\"a\": 1 // x\r\n}\r\n", ["b"], 2)).toBe("{\r\n\t\"a\": 1, // x\r\n\t\"b\": 2\r\n}\r\n")
  })

  test("takes a key out and leaves the comments of others and its own", async () => {
    expect(await edited(sample, ["model"], undefined)).toBe(sample.replace('  "model": "demo/demo", // the one I like\n', "  // the one I like\n"))
    expect(await edited(sample, ["permissions"], undefined)).toBe(sample.replace(/ {2}"permissions"[^]*?\],\n {2}\},\n/, ""))
    expect(await edited('{ "a": 1, "b": 2 }', ["b"], undefined)).toBe('{ "a": 1 }')
    expect(await edited('{ "a": 1, "b": 2 }', ["a"], undefined)).toBe('{ "b": 2 }')
    expect(await edited('{\n  "a": 1, // about a\n  "b": 2\n}\n', ["b"], undefined)).toBe('{\n  "a": 1 // about a\n}\n')
  })

  test("begins a file that is empty, or has only comments", async () => {
    expect(await edited("", ["model"], "a/b")).toBe('{\n  "model": "a/b"\n}\n')
    expect(await edited("// mine", ["a", "b"], 1)).toBe('// mine\n{\n  "a": {\n    "b": 1\n  }\n}\n')
    expect(await edited("{}", ["a"], 1)).toBe('{\n  "a": 1\n}')
    expect(await edited("{\n  // nothing yet\n}\n", ["a"], 1)).toBe('{\n  // nothing yet\n  "a": 1\n}\n')
    expect(await edited('\uFEFF{ "a": {} }', ["a", "b"], 1)).toBe('\uFEFF{ "a": { "b": 1 } }')
  })

  test("that changes nothing changes nothing", async () => {
    expect(await edited(sample, ["model"], "demo/demo")).toBe(sample)
    expect(await edited(sample, ["nothing"], undefined)).toBe(sample)
    expect(await edited(sample, ["permissions"], { allow: ["edit"] })).toBe(sample)
  })

  test("of an object for an object writes only the keys that differ", async () => {
    expect(await edited(sample, ["permissions"], { allow: ["edit"], ask: ["bash"] })).toBe(sample.replace("    ],\n", '    ],\n    "ask": ["bash"],\n'))
  })
})

// ── laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const key = fc.constantFrom("a", "b", "c", "d.e", 'q"', "ü")
const scalar = fc.oneof(fc.integer({ min: -9, max: 99 }), fc.boolean(), fc.constant(null), fc.constantFrom("", "x", "// no comment", '"{'))
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(tie("value"), { maxLength: 3 }), fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true })),
})).value
const tree = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true })

/** One JSONC text of a tree: `seed` decides about every space, comment and trailing comma. `within`: comments also between a key and its value. */
function write(data: unknown, { seed, eol }: { seed: number[]; eol: string }, within: boolean): string {
  let turn = 0
  const next = (choices: number) => seed[turn++ % seed.length]! % choices
  const gap = (depth: number): string => ["", "", " ", `${eol}${"  ".repeat(depth)}`, `${eol}${"  ".repeat(depth)}`, ` /* c${turn} */ `, ` // c${turn}, } "${eol}`, `${eol}${eol}\t/* c${turn}${eol} { */${eol}`][next(8)]!
  const lay = (part: unknown, depth: number): string => {
    const colon = () => `${within ? gap(depth) : ""}:${within ? gap(depth) : " "}`
    const pieces = Array.isArray(part) ? part.map((each) => () => lay(each, depth + 1)) : typeof part === "object" && part !== null ? Object.entries(part).map(([name, each]) => () => `${JSON.stringify(name)}${colon()}${lay(each, depth + 1)}`) : undefined
    if (!pieces) return JSON.stringify(part)
    const [open, close] = Array.isArray(part) ? "[]" : "{}"
    return `${open}${pieces.map((piece, i) => `${gap(depth + 1)}${piece()}${gap(depth + 1)}${i < pieces.length - 1 || next(4) === 0 ? "," : ""}`).join("")}${gap(depth)}${close}`
  }
  return `${gap(0)}${lay(data, 0)}${gap(0)}`
}

const random = fc.record({ data: tree, style: fc.record({ seed: fc.array(fc.nat(1_000), { minLength: 40, maxLength: 40 }), eol: fc.constantFrom("\n", "\r\n") }), keys: fc.array(key, { minLength: 1, maxLength: 3 }), next: fc.option(value, { nil: undefined }) })

const commentsOf = (text: string): string[] => {
  const found: string[] = []
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"|\/\/[^\r\n]*|\/\*[^]*?\*\//g)) if (!token.startsWith('"')) found.push(token)
  return found
}

describe("for any text and any edit", () => {
  test("what is read afterwards is what was asked for, and stays so however often", async () => {
    await fc.assert(fc.asyncProperty(random, async ({ data, style, keys, next }) => {
      const text = write(data, style, true)
      const after = await edited(text, keys, next)
      const wanted = next === undefined ? without(data as Tree, keys) : withValue(data as Tree, keys, next)
      const errors: never[] = []
      expect(plain(parse(after.replace(/^\uFEFF/, ""), errors, { allowTrailingComma: true }))).toEqual(plain(wanted))
      expect(errors).toEqual([])
      expect(await edited(after, keys, next)).toBe(after)
    }), { numRuns: 600 })
  })

  test("every comment outside of a replaced value stays, in its order", async () => {
    let survived = 0
    await fc.assert(fc.asyncProperty(random, async ({ data, style, keys, next }) => {
      const text = write(data, style, false)
      // What stands inside a value that makes way goes with it: only edits of scalars and new keys are asked about.
      const way = keys.map((_, i) => valueAt(data, keys.slice(0, i + 1)))
      fc.pre(way.every((each, i) => each === undefined || (i < keys.length - 1 ? typeof each === "object" && each !== null && !Array.isArray(each) : typeof each !== "object" || each === null)))
      const after = await edited(text, keys, next)
      expect(commentsOf(after)).toEqual(commentsOf(text))
      survived += commentsOf(text).length
    }), { numRuns: 400 })
    expect(survived).toBeGreaterThan(200)
  })
})
