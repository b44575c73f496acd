/** `graft plugin profile`: what the CPU of a running instance did for a few seconds, by plugin. */
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { inspection } from "../../remote.ts"
import { table } from "../../table.ts"
import type { Asked } from "./plugin.ts"

const MOST_SECONDS = 10
const MOST_FUNCTIONS = 5

export async function profile({ graft, terminal, values }: Asked): Promise<number> {
  const seconds = Number(values.seconds ?? 5)
  if (!(seconds > 0 && seconds <= MOST_SECONDS)) throw new UsageError(`--seconds takes a number up to ${MOST_SECONDS}, not "${values.seconds}"`)
  using kernel = await inspection(graft, terminal.directory)
  if (!kernel.remote) return terminal.err("no instance is running: there is nothing to watch\n"), EXIT.failed
  terminal.err(terminal.paint("dim", `${seconds} s of the running instance ${kernel.instance!.pid} …\n`))
  const { busy, milliseconds, plugins } = await kernel.profile(seconds * 1_000)
  if (values.json) return terminal.out(`${JSON.stringify({ busy, milliseconds, plugins })}\n`), EXIT.done
  terminal.out(`busy ${percent(busy, milliseconds)} of the time\n`)
  terminal.out(table(plugins.flatMap(({ plugin, milliseconds: spent, functions }) => [
    [terminal.paint("bold", plugin), `${spent.toFixed(1)} ms`, percent(spent, busy), ""],
    ...functions.slice(0, MOST_FUNCTIONS).map((each) => ["", `${each.milliseconds.toFixed(1)} ms`, "", `${each.name} ${each.where}`]),
  ])))
  return EXIT.done
}

const percent = (part: number, whole: number): string => `${whole > 0 ? Math.round((100 * part) / whole) : 0} %`
