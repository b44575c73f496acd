/** TOML is read as it is written, with the line of every key; what is none is refused with its line. */
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parseToml, type Toml } from "../../plugins/lib/toml.ts"
import { isTree, leaves, valueAt } from "../../plugins/lib/tree.ts"

const read = (text: string): Toml => {
  const parsed = parseToml(text)
  if ("message" in parsed) throw new Error(`${parsed.line}: ${parsed.message}`)
  return parsed
}
const refused = (text: string) => { const parsed = parseToml(text); return "message" in parsed ? `${parsed.line}: ${parsed.message}` : "taken" }

describe("a text", () => {
  test("of every kind is what it says", () => {
    expect(read(String.raw`a = "x\ty\"z\u00e9\U0001F600"
b = 'c:\no\escape'
c = """
one
  two \
     three"""
d = '''
raw \n
'''
e = """"quoted"""""
"key with.dot" = 1`).tree).toEqual({ a: 'x\ty"zé😀', b: String.raw`c:\no\escape`, c: "one\n  two three", d: "raw \\n\n", e: '"quoted""', "key with.dot": 1 })
  })

  test("of numbers, dates, lists and tables too", () => {
    expect(read("a = +1_000\nb = 0xFF\nc = 0o17\nd = 0b101\ne = -1.5e3\nf = [1, [2, 'x'], { y = true }, # comment\n]\ng = 1979-05-27T07:32:00Z\nh = 07:32:00\ni = { a.b = 1, c = [],\n d = {} , }\nj = false\nk = inf\nl = 1_0.5").tree)
      .toEqual({ a: 1000, b: 255, c: 15, d: 5, e: -1500, f: [1, [2, "x"], { y: true }], g: "1979-05-27T07:32:00Z", h: "07:32:00", i: { a: { b: 1 }, c: [], d: {} }, j: false, k: "Infinity", l: 10.5 })
  })

  test("of tables, dotted and in lists, each in its place", () => {
    expect(read("a.b = 1\n[x]\ny = 1\n[x.\"z w\".v] # head\nk = 'v'\n[[list]]\nn = 1\n[list.sub]\nm = 2\n[[list]]\n[[list.deep]]\np = 3\n[late]\n[x.z]\nq = 4").tree)
      .toEqual({ a: { b: 1 }, x: { y: 1, "z w": { v: { k: "v" } }, z: { q: 4 } }, list: [{ n: 1, sub: { m: 2 } }, { deep: [{ p: 3 }] }], late: {} })
  })

  test("with a byte order mark and Windows' line ends is no other", () => {
    expect(read("\uFEFFa = 1\r\n[b] # x\r\nc = \"\"\"\r\nd\"\"\"\r\n").tree).toEqual({ a: 1, b: { c: "d" } })
  })

  test("says the line of every key", () => {
    const toml = read("a = 1\n\n[b]\n# here\nc = [\n  1,\n  2\n]\n[[d]]\ne = 1\n[[d]]\ne = { f = 2 }")
    expect([["a"], ["b"], ["b", "c"], ["b", "c", "1"], ["d", "0", "e"], ["d", "1", "e"], ["d", "1", "e", "f"], ["b", "nothing"], ["nothing"]].map((keys) => toml.line(keys))).toEqual([1, 3, 5, 7, 10, 12, 12, 3, 1])
  })
})

describe("what is none", () => {
  test.each<[string, string]>([
    ["a = 1\nb = ", "2: a value is expected: a text in quotes, a number, true or false, a list or a table"],
    ["a = npx", "1: a value is expected: a text in quotes, a number, true or false, a list or a table"],
    ["a 1", '1: "=" is expected'],
    ["= 1", "1: a key is expected"],
    ["a = 1 b = 2", "1: the end of the line is expected"],
    ["[a", '1: "]" is expected'],
    ["[[a]", '1: "]]" is expected'],
    ["a = 'x", "1: a text has no end on its line"],
    ['x = 1\na = """x', '2: a text that begins with """ has no end'],
    ['a = "\\q"', "1: \"\\q\" is nothing that a text can have; in '…' a backslash is itself"],
    ['a = "\\uD800"', "1: \"\\u\" is nothing that a text can have; in '…' a backslash is itself"],
    ["a = [1 2]", '1: "," or "]" is expected'],
    ["a = { b = 1 c = 2 }", '1: "," or "}" is expected'],
    ["a = 1\na = 2", '2: "a" is said twice'],
    ["[a]\n[a]", '2: "a" is there already'],
    ["a = {}\n[a.b]", '2: "a" is there already, and is no table that can be added to'],
    ["a = [1]\n[[a]]", '2: "a" is a list that was written whole'],
    ["a = 1\n[[a]]", '2: "a" is there already, and is no list of tables'],
    ["a = 1\na.b = 2", '2: "a" is there already, and is no table that can be added to'],
    [`a = ${"[".repeat(100)}`, "1: it is nested too deep"],
    [`a = ${"{ b = ".repeat(100)}`, "1: it is nested too deep"],
  ])("%j is refused with its line", (text, message) => { expect(refused(text)).toBe(message) })
})

describe("for any tree", () => {
  const key = fc.oneof(fc.constantFrom("a", "b-c", "d_1", "key with space", "dot.ted", "quo\"te", "é"), fc.string({ minLength: 1, maxLength: 6 }).filter((name) => name !== "__proto__"))
  const text = fc.oneof(fc.string({ maxLength: 12, unit: "grapheme" }), fc.constantFrom("", "\n", '"""', "\\", "'", "line\nline", "\t"))
  const scalar = fc.oneof(text, fc.integer(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)))
  const tree = fc.letrec<{ value: unknown; table: Record<string, unknown> }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(scalar, { maxLength: 3 }), tie("table"), fc.array(tie("table"), { maxLength: 2 })),
    table: fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  })).table

  const quoted = (value: string) => JSON.stringify(value).replace(/\u007f/g, "\\u007f")
  const name = (value: string) => (/^[\w-]+$/.test(value) ? value : quoted(value))
  const inline = (value: unknown): string => {
    if (typeof value === "string") return quoted(value)
    if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
    if (isTree(value)) return `{ ${Object.entries(value).map(([each, at]) => `${name(each)} = ${inline(at)}`).join(", ")} }`
    return typeof value === "number" ? String(value).replace("e+", "e") : String(value)
  }
  /** As people write them: what is plain first, tables below their heads. */
  const print = (table: Readonly<Record<string, unknown>>, way: readonly string[] = []): string => {
    const entries = Object.entries(table)
    const isMany = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isTree)
    return [
      ...entries.filter(([, value]) => !isTree(value) && !isMany(value)).map(([each, value]) => `${name(each)} = ${inline(value)}`),
      ...entries.filter(([, value]) => isTree(value)).map(([each, value]) => `\n[${[...way, each].map(name).join(".")}]\n${print(value as Record<string, unknown>, [...way, each])}`),
      ...entries.filter(([, value]) => isMany(value)).flatMap(([each, value]) => (value as Record<string, unknown>[]).map((item) => `\n[[${[...way, each].map(name).join(".")}]]\n${print(item, [...way, each])}`)),
    ].join("\n")
  }

  test("what was written is what is read, by heads and inline alike, each leaf with a line on which its key stands", () => {
    fc.assert(fc.property(tree, (value) => {
      const [long, short] = [print(value), Object.entries(value).map(([each, at]) => `${name(each)} = ${inline(at)}`).join("\n")]
      const parsed = read(long)
      expect(parsed.tree).toEqual(value)
      expect(read(short).tree).toEqual(value)
      for (const { keys } of leaves(value).filter((leaf) => leaf.keys.length > 0 && valueAt(value, leaf.keys) !== undefined)) expect(long.split("\n")[parsed.line(keys) - 1]).toContain(name(keys.at(-1)!))
    }), { numRuns: 300 })
  })

  test("cut short or garbled, it is read or refused, and never breaks", () => {
    fc.assert(fc.property(tree, fc.nat(), fc.constantFrom("", "=", "[", "]", '"', "'", "{", "\n", "\\", ","), (value, at, put) => {
      const whole = print(value)
      const cut = at % (whole.length + 1)
      expect(parseToml(`${whole.slice(0, cut)}${put}${whole.slice(cut + 1)}`)).toBeTypeOf("object")
      expect(parseToml(whole.slice(0, cut))).toBeTypeOf("object")
    }), { numRuns: 300 })
  })

  test("a long one is read in a time that grows with its length", () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `[t${i}]\nk = ["v", ${i}]`).join("\n")
    expect(Object.keys(read(lines(20_000)).tree)).toHaveLength(20_000)
  })
})
