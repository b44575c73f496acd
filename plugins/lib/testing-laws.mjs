/** `node --import testing-hook.mjs testing-laws.mjs <plugin> [--json]`: the laws of one plugin, in a process of their own. Exit code 1 when one is broken. */
import { examine, sayReport } from "graft/testing"

const [file, json] = process.argv.slice(2)
const report = await examine(file)
process.stdout.write(json === "--json" ? `${JSON.stringify(report)}\n` : `${sayReport(report)}\n`)
// What a broken plugin left running keeps nobody waiting.
process.exit(report.laws.some(({ broken }) => broken) ? 1 : 0)
