/** Every law that the README lists has its tests, by name, in the files that it says. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const read = (file: string) => readFileSync(join(import.meta.dirname, file), "utf8")
const rows = [...read("README.md").matchAll(/^\| (L\d.*?) \|.*\| (.*) \|$/gm)].map(([, laws, files]) => ({ laws: laws!.match(/L\d+/g)!, files: files!.match(/\w+(?=`)/g)! }))

it("lists L1 to L28", () => {
  expect(rows.flatMap(({ laws }) => laws)).toEqual(Array.from({ length: 28 }, (_, i) => `L${i + 1}`))
})

it.each(rows.flatMap(({ laws, files }) => laws.flatMap((law) => files.map((file) => ({ law, file })))))("$law is tested in $file", ({ law, file }) => {
  const named = [...read(`${file}.law.test.ts`).matchAll(/\b(?:describe|it)\((.*)/g)].some(([, name]) => {
    const ranges = [...name!.matchAll(/L(\d+)(?:[–-]L?(\d+))?/g)].map(([, from, to]) => [Number(from), Number(to ?? from)] as const)
    return ranges.some(([from, to]) => from <= Number(law.slice(1)) && Number(law.slice(1)) <= to)
  })
  expect(named).toBe(true)
})

it("leaves no file of laws out", () => {
  const listed = new Set(read("README.md").match(/`(\w[\w-]*)(?=`)/g)!.map((name) => name.slice(1)))
  expect(readdirSync(import.meta.dirname).flatMap((file) => /^(.*)\.law\.test\.ts$/.exec(file)?.[1] ?? []).filter((file) => !listed.has(file))).toEqual([])
})
