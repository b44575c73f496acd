/** `graft config edit`: the file in the person's editor, and what is wrong with it afterwards. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import type { Graft } from "graft"
import { rewrite } from "../../../lib/rewrite.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"
import { sayWarning } from "../../notices.ts"

/** Milliseconds after which a file that was just saved is taken at its word. */
const SAVED = 300

export async function edit(graft: Graft, terminal: Terminal, layer: "user" | "project", location: string): Promise<number> {
  const file = (await graft.config.files(location)).findLast((each) => each.layer === layer && each.from === undefined)!.file
  await graft.config.schema(location, { write: true })
  if (!existsSync(file)) await rewrite(file, (text) => text ?? (layer === "user" ? '{\n  "$schema": "./config.schema.json"\n}\n' : "{\n}\n"))
  const editor = process.env.VISUAL || process.env.EDITOR || "vi"
  const code = await run(editor, file)
  if (code !== 0) return terminal.err(`${editor} ended with ${code ?? "a signal"}; set VISUAL or EDITOR to another one, or edit ${file}\n`), EXIT.failed
  await new Promise((resolve) => setTimeout(resolve, SAVED))
  await graft.config.files(location)
  const warnings = await graft.config.warnings(location)
  for (const warning of warnings) terminal.err(`${sayWarning(warning)}\n`)
  terminal.out(`${file}\n`)
  return warnings.some((warning) => warning.file === file) ? EXIT.failed : EXIT.done
}

/** An editor may be a line with arguments: "code --wait". */
const run = (editor: string, file: string): Promise<number | null> => new Promise((resolve, reject) => {
  const child = process.platform === "win32" ? spawn(`${editor} "${file}"`, { shell: true, stdio: "inherit" }) : spawn("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" })
  child.once("error", reject)
  child.once("exit", resolve)
})
