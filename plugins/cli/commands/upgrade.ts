/** `graft upgrade --check`: which installed packages and plugin files would not be loaded by another version of Graft. */
import { readFileSync } from "node:fs"
import type { Graft } from "graft"
import { parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { comeUp } from "../notices.ts"

const OPTIONS = { check: { type: "boolean", about: "say what would not be loaded; nothing is changed" } } as const satisfies Options

export const upgrade = (graft: Graft): Work => ({
  usage: usageOf("graft upgrade --check [version]", OPTIONS, "Without a version: this one's. Graft itself is upgraded by npm: npm install -g graft@latest. Exit code 1 when something would not be loaded."),
  async run(argv, terminal) {
    const { values, positionals: [version = graft.kernel.version] } = parse(argv, OPTIONS)
    const semver = (await import("semver")).default
    if (!semver.valid(version)) throw new UsageError(`"${version}" is no version, e.g. ${semver.inc(graft.kernel.version, "minor")}`)
    if (!values.check) return terminal.err("Graft is upgraded by npm: npm install -g graft@latest; before that: graft upgrade --check <version>\n"), EXIT.usage
    using project = await graft.at(terminal.directory)
    await comeUp(project)
    const files = graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).filter(({ root, file }) => file !== undefined && (root === "user" || root === "project"))
    const plugins = files.flatMap(({ id, file }) => {
      const engines = /\bengines:\s*["'`]([^"'`]+)["'`]/.exec(readFileSync(file!, "utf8"))?.[1]
      return engines !== undefined && !semver.satisfies(version, engines, { includePrerelease: true }) ? [{ name: `${id} (${file})`, engines, what: "plugin" }] : []
    })
    const unfit = [...(await graft.package.check(version)), ...plugins]
    for (const { name, engines, what } of unfit) terminal.out(`${terminal.paint("yellow", "!")}  the ${what} ${name} was made for Graft ${engines}\n`)
    if (unfit.length === 0) terminal.out(`all that is installed runs on Graft ${version}, as far as it says\n`)
    return unfit.length === 0 ? EXIT.done : EXIT.failed
  },
})
