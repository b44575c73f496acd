/** Commands in the arguments of commands: what runs them is looked through, where that is certain. */
import { literal, type Word } from "./word.ts"

/** `only`: it does nothing besides, so that no rule is needed for it itself. `unclear`: why it cannot be looked through to the end; what was found counts all the same. */
export interface Carried { commands?: readonly (readonly Word[])[]; script?: string; only?: boolean; unclear?: string }

/** Programs that run the command behind their options: those that take a value, those that take none, and how many words come between. */
const CARRIERS: Readonly<Record<string, { value?: RegExp; flag?: RegExp; between?: number }>> = {
  nohup: {}, command: {}, time: { flag: /^-p$/ }, setsid: { flag: /^-[cfw]+$|^--(ctty|fork|wait)$/ },
  exec: {}, nice: { value: /^(-n|--adjustment)$/, flag: /^-(-?\d+|n-?\d+)$|^--adjustment=-?\d+$/ }, ionice: { value: /^-[cn]$/, flag: /^-(t|[cn]\d)$/ },
  stdbuf: { value: /^-[ioe]$/, flag: /^-[ioe][L0]$/ }, caffeinate: { flag: /^-[dimsu]+$/ },
  timeout: { value: /^(-[ks]|--kill-after|--signal)$/, flag: /^(-v|-[ks][\w.]+|--foreground|--preserve-status|--verbose|--(kill-after|signal)=[\w.]+)$/, between: 1 },
  xargs: { value: /^-[nPLIdsE]$|^--(max-args|max-procs|max-lines|delimiter)$/, flag: /^(-[0rtx]+|-[nPLs]\d+|-d.+|-I.+|--null|--no-run-if-empty|--verbose|--exit|--(max-args|max-procs|max-lines|delimiter|replace)=.+)$/ },
}
const SHELLS = new Set(["sh", "bash", "dash"])
/** What changes who runs a command, or where: asked about, but what stands in it is known to the rules that forbid. */
const ELSEWHERE = new Set(["sudo", "doas", "su", "runuser", "pkexec", "chroot", "unshare", "nsenter", "systemd-run", "setpriv", "taskset", "chrt", "strace", "ltrace", "watch", "entr", "flock", "script", "fakeroot", "xvfb-run", "parallel", "busybox", "toybox", "builtin"])

/** What is read from a pipe, or put in a place that is marked. */
const ANY: Word = { text: "…", sure: false, one: false, fed: true }

export function carriedBy(name: string, rest: readonly Word[]): Carried | undefined {
  if (name === "eval") return rest.every(({ sure }) => sure) && rest.length > 0 ? { script: rest.map(({ text }) => text).join(" "), only: true } : { unclear: `"eval" of what is not certain` }
  if (SHELLS.has(name)) return ofShell(name, rest)
  if (name === "find" || name === "fd" || name === "fdfind") return ofFind(name, rest)
  if (name === "env") return ofEnv(rest)
  if (name === "command" && rest.length === 2 && /^-[vV]$/.test(rest[0]!.text)) return { only: true }
  if (ELSEWHERE.has(name)) return { commands: rest.flatMap((word, at) => (word.text.startsWith("-") ? [] : [rest.slice(at)])).slice(0, 4), unclear: `"${name}" runs other commands` }
  const carrier = Object.hasOwn(CARRIERS, name) ? CARRIERS[name]! : undefined
  if (!carrier) return undefined
  let at = 0
  for (; at < rest.length && rest[at]!.text.startsWith("-"); at++) {
    const { text, sure } = rest[at]!
    if (!sure) break
    if (text === "--") { at++; break }
    if (carrier.value?.test(text)) at++
    else if (!carrier.flag?.test(text)) return { unclear: `"${name}" with an option that is not known` }
  }
  at += carrier.between ?? 0
  // What may turn out to be several words shifts all that follow.
  if (!rest.slice(0, at).every(({ sure }) => sure)) return { commands: [rest.slice(at)], unclear: `"${name}" with an option that is not certain` }
  const inner = rest.slice(at)
  if (inner.length === 0) return name === "exec" ? { only: true } : name === "xargs" ? { commands: [[literal("echo"), ANY]], only: true } : { unclear: `"${name}" without a command` }
  return { commands: [name === "xargs" ? [...inner, ANY] : inner], only: true }
}

function ofShell(name: string, rest: readonly Word[]): Carried | undefined {
  const at = rest.findIndex(({ text }) => /^[-+][a-zA-Z]*c[a-zA-Z]*$/.test(text))
  if (at < 0) return undefined
  const options = rest.slice(0, at + 1)
  const script = rest[at + 1]
  if (!script?.sure || !options.every(({ text, sure }, index) => sure && (/^-[ceuxlo]+$/.test(text) || (text === "pipefail" && /^-[a-z]*o$/.test(options[index - 1]?.text ?? ""))))) return { unclear: `"${name}" runs what it is given` }
  return { script: script.text, only: true }
}

function ofEnv(rest: readonly Word[]): Carried {
  let at = 0
  for (; at < rest.length; at++) {
    const { text } = rest[at]!
    if (text === "-u" || text === "--unset") at++
    else if (!/^(-i|-|--ignore-environment|-u\w+|--unset=\w+)$/.test(text)) break
  }
  if (rest[at]?.text.startsWith("-")) return { unclear: `"env" with an option that is not known` }
  if (rest.slice(at).every(({ text, sure }) => sure && /^\w+=/.test(text))) return { only: rest.length === 0, ...(rest.length > 0 && { unclear: `"env" without a command` }) }
  // A leading NAME=value is no command, whatever its quotes.
  return { commands: [rest.slice(at).map((word, index, all) => (all.slice(0, index + 1).every(({ text, one }) => one && /^[A-Za-z_]\w*=/.test(text)) ? { ...word, sets: word.text.slice(0, word.text.indexOf("=")) } : word))], only: true }
}

/** `runs`: what stands behind it is a command. `acts`: it does more than find. */
const FINDERS: Readonly<Record<string, { runs: RegExp; acts: RegExp }>> = {
  find: { runs: /^-(exec|execdir|ok|okdir)$/, acts: /^-(delete|fprint|fls)/ },
  fd: { runs: /^(-[xX]|--exec|--exec-batch)$/, acts: /^(-[a-zA-Z]+[xX]|--exec)/ },
}

function ofFind(name: string, rest: readonly Word[]): Carried | undefined {
  const { runs, acts } = FINDERS[name] ?? FINDERS.fd!
  const commands: Word[][] = []
  for (let at = 0; at < rest.length; at++) {
    const { text } = rest[at]!
    if (!runs.test(text)) {
      if (acts.test(text)) return { commands, unclear: `"${name}" with "${text}"` }
      continue
    }
    const end = name === "find" ? rest.findIndex((word, index) => index > at && (word.text === ";" || (word.text === "+" && rest[index - 1]?.text === "{}"))) : rest.length
    if (end < 0) return { commands, unclear: `"${name}" with a command that does not end` }
    const inner = rest.slice(at + 1, end).map((word) => (word.text.includes("{}") ? { ...ANY, text: word.text, one: true } : word))
    commands.push(name === "find" ? inner : [...inner, ANY])
    at = end
  }
  return commands.length > 0 ? { commands } : undefined
}
