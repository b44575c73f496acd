/**
 * What a command does besides what its line shows: some run what they are given, some change what later words mean. A
 * rule for such a name says too little, so the line is asked about. Programs are known by name; those that are not are
 * taken for what they seem (the shell's own words are complete, the list of others never is).
 */

/** The shell's own words that change what other commands are, or run some. */
const BUILTINS = ["source", ".", "coproc", "trap", "alias", "hash", "enable", "export", "declare", "typeset", "readonly", "local", "set", "shopt", "let", "read", "mapfile", "readarray", "unset", "bind", "complete", "compgen", "fc", "getopts"]
/** Programs that run what they are told to, now or later. Those whose arguments can be looked through are in carried.ts. */
const WRAPPERS = ["expect", "ssh-agent", "at", "batch", "crontab", "tmux", "screen", "psql", "mysql", "ed", "ex", "ftp", "m4"]
const RUNNERS: ReadonlySet<string> = new Set([...BUILTINS, ...WRAPPERS])
const RESERVED: ReadonlySet<string> = new Set(["if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function", "in", "[[", "]]", "!"])
const SHELLS: ReadonlySet<string> = new Set(["sh", "bash", "dash", "zsh", "ksh", "fish", "ash"])
/** Without a script they read their program from standard input. */
const INTERPRETERS: ReadonlySet<string> = new Set(["python", "node", "nodejs", "perl", "ruby", "php", "lua", "tsx", "Rscript", "julia"])
const NO_PROGRAM = /^(-[vVh]|--version|--help)$/
/** Files that are whatever somebody pipes in. */
const PIPED = /^(-|\/dev\/.*|\/proc\/.*)$/

const NODE = /^(-[a-zA-Z]*[epr]|--(eval|print|require|import|loader|experimental-loader))/
const VI = /^(-[cSs]|\+|--cmd)/
const SSH = /^-[oFS]/
/** Programs by the arguments that carry a program, or name one. */
const CARRIERS: ReadonlyMap<string, RegExp> = new Map(Object.entries({
  // Interpreters.
  node: NODE, nodejs: NODE, tsx: NODE, bun: /^(-e|--eval|-p|--print|-r|--preload)/, deno: /^eval$/, python: /^-[a-zA-Z]*c/, perl: /^-[a-zA-Z]*[eE]/, ruby: /^-[a-zA-Z]*e/,
  php: /^-[a-zA-Z]*[rBRE]/, lua: /^-e/, Rscript: /^-e/, julia: /^-[eE]/, osascript: /^-e/, pwsh: /^-[a-zA-Z]*c/i, awk: /system|getline|\||>|@/,
  // What searches and sorts.
  find: /^-(exec|execdir|ok|okdir|delete|fprint|fls)/, fd: /^(-[a-zA-Z]*[xX]|--exec)/, rg: /^--(pre|hostname-bin)/, sort: /^--compress-program/, split: /^--filter/,
  // What builds, and keeps versions.
  git: /^(-c$|--config|--exec|-x|-O|--open-files-in-pager|--upload-pack|--receive-pack|--extcmd|--ext-diff|(config|bisect|submodule|difftool|mergetool|filter-branch)$|ext::)/,
  npm: /^(-c|--call)/, npx: /^(-c|--call)/, pnpm: /^(-c|--shell-mode)/, make: /^(SHELL=|--eval)|[$`]/, cargo: /^--config/,
  // What packs and copies.
  tar: /^(-[a-zA-Z]*[IF]|--(checkpoint-action|to-command|use-compress-program|info-script|new-volume-script|rsh-command|rmt-command))/,
  zip: /^(-[a-zA-Z]*T|--unzip-command)/, rsync: /^(-[a-zA-Z]*e|--rsh|--rsync-path)/, ssh: SSH, scp: SSH, sftp: SSH, wget: /^(--use-askpass|-e|--execute)/,
  // What shows and edits.
  man: /^(-P|-H|--pager|--html)/, vi: VI, vim: VI, nvim: VI, gdb: /^-/, sqlite3: /^[.-]/,
  // The shell's own.
  test: /\[/, printf: /^-v/, wait: /^-p/, jobs: /^-x/, history: /^-/,
}))

/** Why a command may run more than it shows. */
export function runsMore(name: string, rest: readonly string[]): string | undefined {
  if (RESERVED.has(name)) return `the shell's "${name}"`
  if (RUNNERS.has(name)) return `"${name}" runs or changes other commands`
  if (SHELLS.has(name)) return readsProgram(rest) || rest.some((word) => /^[-+][a-zA-Z]*[cs]/.test(word)) ? `"${name}" runs what it is given` : undefined
  const family = familyOf(name)
  const carrier = CARRIERS.get(family)
  const carried = family === "sed" ? !plainSed(rest) : carrier !== undefined && rest.some((word) => carrier.test(word))
  if (carried) return `"${name}" with a program in its arguments`
  // With a database and nothing to do it takes that from what is piped in.
  if (name === "sqlite3" && rest.filter((word) => !word.startsWith("-")).length < 2) return `"${name}" reads its program from what is piped in`
  return INTERPRETERS.has(family) && readsProgram(rest) && !rest.some((word) => NO_PROGRAM.test(word)) ? `"${name}" reads its program from what is piped in` : undefined
}

/** Commands that do nothing that a rule could be about, alone. */
export function isHarmless(name: string, rest: readonly string[]): boolean {
  switch (name) {
    case "true": case "false": case ":": case "break": case "continue": case "return": case "exit": case "shift": case "pwd": case "wait": return rest.every((word) => /^[\w-]*$/.test(word) && word !== "-p")
    case "[": case "test": return !rest.some((word) => /^-[vR]$/.test(word))
    case "read": return rest.every((word) => /^(-r|[a-z][a-z\d_]*)$/.test(word))
    case "cat": return rest.length === 0
    case "set": return rest.length > 0 && rest.every((word) => /^(-[eux]*o?|pipefail|errexit|nounset)$/.test(word) && word !== "-")
    default: return false
  }
}

/** Can an argument of this program make it run something else? */
export const isSteered = (name: string): boolean => SHELLS.has(name) || INTERPRETERS.has(familyOf(name)) || CARRIERS.has(familyOf(name)) || familyOf(name) === "sed"

const familyOf = (name: string): string => name.replace(/^(g|m|n)?awk$/, "awk").replace(/^gsed$/, "sed").replace(/[\d.]+$/, "")

function readsProgram(rest: readonly string[]): boolean {
  const script = rest.find((word) => !/^[-+]./.test(word))
  return script === undefined || PIPED.test(script)
}

/** One step of a sed script that prints, deletes or replaces; what runs or writes (e, w, their flags) is not among it, and neither is what is not understood. */
const ADDRESS = String.raw`(?:\d+(?:~\d+)?|\$|/(?:\\[^\n]|[^/\\\n])*/I?)`
const SED_STEP = new RegExp(String.raw`^\s*(?:${ADDRESS}(?:,(?:\+?${ADDRESS}))?\s*!?\s*)?(?:[pdqQ=lnNgGhHxD]|[sy]([^\w\s\\;])(?:\\[^\n]|(?!\1)[^\\\n])*\1(?:\\[^\n]|(?!\1)[^\\\n])*\1[gpiIm\d]*)?\s*(?:[;\n]|$)`)

function plainScript(script: string): boolean {
  for (let rest = script; rest !== "";) {
    const step = SED_STEP.exec(rest)
    if (!step) return false
    rest = rest.slice(step[0].length)
  }
  return true
}

function plainSed(rest: readonly string[]): boolean {
  const scripts: string[] = []
  let bare: string | undefined
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at]!
    if (word === "-e" || word === "--expression") scripts.push(rest[++at] ?? "")
    else if (word.startsWith("--expression=")) scripts.push(word.slice("--expression=".length))
    else if (/^(-[nErsuz]+|-i\S*|--(quiet|silent|regexp-extended|separate|null-data|in-place(=.*)?|posix))$/.test(word)) continue
    else if (word.startsWith("-") && word !== "-") return false
    else bare ??= word
  }
  return (scripts.length > 0 ? scripts : [bare ?? ""]).every(plainScript)
}

/** Variables by which the shell finds, reads or evaluates things: setting one changes what the rest means, or runs what it is set to. */
const SPECIAL = /^(PATH|IFS|ENV|CDPATH|SHELLOPTS|GLOBIGNORE|EXECIGNORE|PROMPT_COMMAND|PS\d|OPTIND|RANDOM|SRANDOM|SECONDS|LINENO|HIST\w*|BASH\w*|LD_\w+|DYLD_\w+)\+?=/

/** Why an assignment may do more than keep a text. A subscript is arithmetic, and that runs what stands in it. */
export function setsMore(word: string): string | undefined {
  if (/^\w+\[/.test(word)) return "an assignment with a subscript"
  const special = SPECIAL.exec(word)?.[1]
  return special === undefined ? undefined : `an assignment to ${special}`
}
