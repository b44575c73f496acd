/**
 * What runs in the foreground ends with this process, however it dies: a small shell waits on a pipe whose other end only
 * this process holds, and ends everything that it was told to watch when the pipe closes. A command is told before it
 * starts, so there is no moment in which one could be left behind.
 */
import { spawn, type ChildProcess } from "node:child_process"

export interface Leash {
  /** From here on a command's group, and on Linux whoever bears its mark, does not outlive this process; undone by what it gives. */
  hold(group: number, mark: string): () => void
  close(): void
}

/** Marks are found where they are inherited; TERM first, and a second later KILL. */
const WATCH = `trap '' HUP INT TERM
held=
while read -r op group mark; do
  kept=
  for each in $held; do [ "\${each%%:*}" = "$group" ] || kept="$kept $each"; done
  held=$kept
  [ "$op" = hold ] && held="$held $group:$mark"
done
[ -z "$held" ] && exit
for signal in TERM KILL; do
  for each in $held; do
    kill -$signal -"\${each%%:*}"
    for file in $(grep -ls "\${each#*:}" /proc/[0-9]*/environ); do
      pid=\${file#/proc/}
      kill -$signal "\${pid%/environ}"
    done
  done
  [ $signal = KILL ] || sleep 1
done`

/** Started by the first command; one that was killed is started anew by the next. */
export function openLeash(): Leash {
  const held = new Map<number, string>()
  let watcher: ChildProcess | undefined
  const tell = (line: string) => void watcher?.stdin?.write(`${line}\n`)

  function start(): void {
    const started = spawn("/bin/sh", ["-c", WATCH], { cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] })
    watcher = started
    const gone = () => { if (watcher === started) watcher = undefined }
    started.on("error", gone).on("exit", gone)
    started.stdin.on("error", gone)
    // It waits for this process, not the other way round.
    started.unref()
    ;(started.stdin as unknown as { unref(): void }).unref()
    for (const [group, mark] of held) tell(`hold ${group} ${mark}`)
  }

  return {
    hold(group, mark) {
      held.set(group, mark)
      if (watcher) tell(`hold ${group} ${mark}`)
      else if (process.platform !== "win32") start()
      return () => {
        held.delete(group)
        tell(`free ${group}`)
      }
    },
    close: () => void watcher?.stdin?.end(),
  }
}
