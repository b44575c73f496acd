/** How a law reads when it is broken: which one, what was seen and where, and what to change. */
export interface Broken { seen: string; where?: string; /** The lines around it, in the author's own source. */ frame?: string; change: string }
export interface Law { law: string; title: string; broken?: Broken; /** Why it was not tried. */ skipped?: string }
export interface LawReport { plugin: string; file: string; laws: readonly Law[]; milliseconds: number }

export class LawsBroken extends Error {
  readonly code = "laws.broken"
  readonly report: LawReport
  constructor(report: LawReport) {
    super(sayReport(report))
    this.name = "LawsBroken"
    this.report = report
    // Of no use to who reads it: what is wrong is in the plugin, at the lines above.
    this.stack = `${this.name}: ${this.message}`
  }
}

export function sayReport({ plugin, laws, milliseconds }: LawReport): string {
  const [tried, broken] = [laws.filter(({ skipped }) => skipped === undefined), laws.filter((law) => law.broken)]
  const head = broken.length === 0 ? `${plugin} keeps all ${tried.length} laws that were tried, in ${milliseconds} ms` : `${plugin} breaks ${broken.length} of ${tried.length} laws`
  const lines = laws.map(({ law, title, broken: wrong, skipped }) => (wrong ? `✗ ${law}: ${title}\n${sayBroken(wrong)}` : skipped === undefined ? `✓ ${law}: ${title}` : `– ${law}: ${skipped}`))
  return [head, ...lines].join("\n")
}

function sayBroken({ seen, where, frame, change }: Broken): string {
  const indent = (text: string, by: string) => text.split("\n").join(`\n${by}`)
  return [`    seen    ${indent(seen, "            ")}`, ...(where ? [`    at      ${where}`] : []), ...(frame ? [`            ${indent(frame, "            ")}`] : []), `    change  ${indent(change, "            ")}`].join("\n")
}
