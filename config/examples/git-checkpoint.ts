/**
 * A git checkpoint: before the first change that follows what you said, the state of the files is kept as a commit that
 * no branch knows of. `git log --all --oneline -- .` shows them below refs/graft/; `git checkout <hash> -- .` goes back.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { definePlugin } from "graft"

const run = promisify(execFile)
const CHANGES = new Set(["write", "edit", "patch", "bash"])

export default definePlugin({
  setup(graft) {
    /** Sessions that have one since somebody last said something. */
    const kept = new Set<string>()
    graft.on("session.input.promoted", ({ session }) => void kept.delete(session))
    graft.on("session.deleted", ({ session }) => void kept.delete(session))

    graft.on("tool.before", async ({ name, session, call }) => {
      if (!CHANGES.has(name) || kept.has(session)) return
      kept.add(session)
      const { directory } = (await graft.session.get(session)) ?? {}
      if (directory === undefined) return
      const git = async (...words: string[]) => (await run("git", words, { cwd: directory, timeout: 4_000, signal: graft.signal })).stdout.trim()
      try {
        // Empty where nothing differs from the last commit, which is the checkpoint then.
        const hash = (await git("stash", "create", `before ${call}`)) || (await git("rev-parse", "HEAD"))
        await git("update-ref", `refs/graft/${session}/${call}`, hash)
      } catch (error) {
        graft.log.warn(`no checkpoint: ${(error as Error).message.split("\n")[0]}`)
      }
    })
  },
})
