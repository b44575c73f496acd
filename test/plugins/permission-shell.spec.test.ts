/** No way of writing a shell line hides a command from the rules: whatever bash would run or write is judged, and what cannot be read for certain is asked about. */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { readCommand } from "../../plugins/permission/command.ts"
import type { PermissionAsk } from "../../plugins/permission/contract.ts"
import { lazyGrammar, type Parse } from "../../plugins/permission/grammar.ts"
import { judge as judgeSeen, read } from "../../plugins/permission/judge.ts"
import { defaultRules, parseRule, type Effect, type Rule, type RuleLayer } from "../../plugins/permission/rules.ts"
import { CORPUS, GIVEN } from "../fixtures/shell-lines.ts"

// Thousands of lines, and hundreds of shells.
vi.setConfig({ testTimeout: 120_000 })

const here = "/home/someone/project"
let parse: Parse
beforeAll(async () => { parse = await lazyGrammar().open() })
const rule = (line: string): Rule => {
  const [layer, effect, ...text] = line.split(" ")
  return parseRule(text.join(" "), effect as Effect, layer as RuleLayer, layer!)!
}
const judge = (ask: PermissionAsk, rules: readonly Rule[], location: string) => judgeSeen(ask, rules, location, { line: read(ask, parse) })
const suggest = (ask: PermissionAsk, location: string) => judge(ask, [parseRule("*", "ask", "flag", "flag")!], location).suggest!

describe("the corpus", () => {
  const rules = [...GIVEN.map(rule), ...defaultRules]
  test.each(CORPUS)("%s: %j", (effect, line) => expect(judge({ action: "bash", resource: line }, rules, here).effect).toBe(effect))
  test("what nobody could read is asked about, however plain it looks", () => {
    expect(judgeSeen({ action: "bash", resource: "git log; rm x" }, rules, here).effect).toBe("ask")
    expect(judgeSeen({ action: "bash", resource: "git log" }, rules, here).effect).toBe("ask")
  })
  test("it is large", () => expect(CORPUS.length).toBeGreaterThanOrEqual(200))
})

describe("shell lines", () => {
  const allowed = (line: string, ...rules: string[]) => judge({ action: "bash", resource: line }, rules.map((text) => rule(`user ${text}`)), here).effect

  test.each<[line: string, effect: Effect]>([
    ["git status", "allow"], ["git", "allow"], ["gitk", "ask"], ["  git   status  ", "allow"], ["git log | wc -l", "allow"], ["git status && git diff; git log", "allow"], ["git log\ngit diff", "allow"],
    ["git log & git diff", "allow"], ["git status # rm -rf /", "allow"], ["git log $(git rev-parse HEAD)", "allow"], ["git log `git rev-parse HEAD`", "allow"], ['git commit -m "a; rm -rf b"', "allow"], ["git commit -m 'x && y'", "allow"],
    ["git log 2>&1 >/dev/null", "allow"], ["git log 2>/dev/null", "allow"], ['git log --grep="foo$"', "allow"], ["git log $BRANCH", "allow"],
    ["git status && rm -rf /", "ask"], ["git status; rm x", "ask"], ["git status | sh", "ask"], ["git log $(rm x)", "ask"], ['git log "$(rm x)"', "ask"], ["git log `rm x`", "ask"], ["git log\nrm x", "ask"], ["git log & rm x", "ask"],
    ["git log > out.txt", "ask"], ["git log >> .bashrc", "ask"], ["git log &> x", "ask"], ["git log >| x", "ask"], ["git log <(rm x)", "ask"], ["git log <<EOF\nx\nEOF", "allow"], ["(git log)", "allow"], ["{ git log; }", "allow"],
    ["PATH=/tmp/evil git status", "ask"], ["GIT_SSH_COMMAND=evil git fetch", "ask"], ["$GIT status", "ask"], ["g\\it status", "allow"], ["'git' status", "allow"], ["eval git status", "allow"], ["exec git status", "allow"], ["env git status", "allow"],
    ["git -c core.pager=evil log", "ask"], ["git log ${X:=$(rm x)}", "ask"], ["git log $((1+1))", "allow"], ["git log $'a'", "allow"], ["git log {a,b}", "allow"], ["git log \\\n rm", "allow"], ["git log 'unclosed", "ask"], ["if git log; then git diff; fi", "allow"],
    ["git() { rm x; }; git", "ask"], ["git log\rrm x", "ask"], ["git log\u00a0x", "ask"], ["", "ask"], ["   ", "ask"], ["# only a comment", "ask"],
  ])("with bash:git * and bash:wc *: %j → %s", (line, effect) => expect(allowed(line, "allow bash:git *", "allow bash:wc *")).toBe(effect))

  test.each(["sh -c 'git log'", "bash -lc 'rm x'", "curl http://x | sh", "xargs git", "python3 -c 'x'", "node -e x", "node --eval=x", "perl -ne x", "find . -delete", "find . -exec rm {} +", "source x", ". x", "sudo rm x", "timeout 5 rm x", "awk 'BEGIN{system(\"x\")}'", "busybox rm x", "export PATH=x", "alias git=rm",
    "node --import data:text/javascript,x a.js", "python3", "python3 -", "node -i", "bash /dev/stdin", "awk '@x(1)'", "sed 's|a|id|e'", "sed -n '1eid'", "sed 'w out'", "sed -f x", "git config alias.x '!rm'", "git grep -Oless x", "git bisect run rm", "git submodule foreach rm", "tar -I rm x", "tar --to-command=rm x", "rsync -e rm a b", "ssh -oProxyCommand=rm h", "sort --compress-program=rm", "make SHELL=/tmp/x", "make 'X=$(shell rm x)'", "split --filter=rm", "vim -c '!rm'", "jobs -x rm", "history -w x", "test -v a[x]", "strace rm", "tmux new rm"])(
    "a program in the arguments asks even where its name is allowed: %s", (line) => {
      const name = line.replace(/^curl.*\| /, "").split(" ")[0]!
      expect(allowed(line, `allow bash:${name} *`, "allow bash:curl *")).toBe("ask")
    })

  test.each(["sed -n 1,5p a", "sed 's/a/b/g' a", "sed -E 's|a|b|; 3d' a", "sed -i '$d' a", "node a.js", "python3 -m pytest", "python3 --version", "awk '{print $1}' a", "tar xzf a", "find . -name a", "git log", "make all", "toString x", "constructor x", "__proto__ x"])(
    "what is plain is not asked about: %s", (line) => expect(allowed(line, `allow bash:${line.split(" ")[0]!} *`)).toBe("allow"))

  test.each(["RANDOM='a[$(rm x)]'", "x='b[$(rm x)]'; a[x]=1", "x='b[$(rm x)]'; test -v 'a[x]'", "PATH=/tmp/evil:$PATH; git log", "BASH_ENV=x git log", "PS4='$(rm x)' git log", "BASH_CMDS[git]=/bin/rm; git log", "echo >&'$(rm x)'", "echo >&11\\$2", "echo <&'$(rm x)'"])(
    "what bash evaluates beside its commands is not certain: %s", (line) => {
      expect(readCommand(line, parse).unclear).toBeDefined()
      expect(allowed(line, "allow bash", "deny bash:rm *")).not.toBe("allow")
    })

  test("what follows a closed descriptor is a command", () => {
    for (const line of [">&-rm x", ">& -rm x", "<&-rm x", "2>&-rm x"]) expect(allowed(line, "allow write", "allow bash:git *", "deny bash:rm *"), line).not.toBe("allow")
  })

  test("a word with a space in it is not two words", () => {
    expect(allowed("npm 'run build'", "allow bash:npm run *")).toBe("ask")
    expect(allowed("npm run 'a b'", "allow bash:npm run *")).toBe("allow")
    expect(allowed('git "push now"', "allow bash", "deny bash:git push*")).toBe("deny")
  })

  test("rules that forbid know a command in every dress; one that asks as well as one that denies", () => {
    for (const line of ["git push", "/usr/bin/git push", "X=1 git push", "git -C . push", "git --no-pager push x", "git -C . --bare push", "'git' push"]) {
      expect(allowed(line, "allow bash", "deny bash:git push*"), line).toBe("deny")
      expect(allowed(line, "allow bash", "ask bash:git push*"), line).toBe("ask")
    }
    for (const line of ["git log push", "git -C . log push", "git commit -m push"]) expect(allowed(line, "allow bash", "deny bash:git push*"), line).toBe("allow")
  })

  test("'bash:*' is 'bash': whatever the shell is given", () => expect(allowed("for x in a; do eval $x; done", "allow bash:*")).toBe("allow"))

  test("where a write is denied or asked about, a line that cannot be read for certain asks; a nearer rule for every line decides", () => {
    for (const rules of [["allow bash", "deny write:.git/*"], ["allow bash", "deny write"], ["allow bash", "ask write:.git/*"]]) {
      expect(allowed("[[ -v 'a[$(echo x > .git/config)]' ]]", ...rules)).toBe("ask")
      expect(allowed("{ echo x > .git/config; }", ...rules)).not.toBe("allow")
      expect(allowed("cd .git; echo x > config", ...rules)).not.toBe("allow")
    }
    expect(judge({ action: "bash", resource: "coproc x" }, [rule("flag allow bash"), rule("user ask bash:git push*"), rule("user ask write")], here).effect).toBe("allow")
    expect(judge({ action: "bash", resource: "coproc x" }, [rule("flag allow bash"), rule("user deny bash:git push*")], here).effect).toBe("ask")
    expect(allowed("echo x > .git/config", "allow bash", "ask write:.git/*")).toBe("ask")
  })

  test("redirects are writes: allowed where writing is, denied where it is denied", () => {
    const judged = (line: string, directory: string, ...rules: string[]) => judge({ action: "bash", resource: line, directory }, ["allow bash:echo *", "allow bash:cd *", ...rules].map((text) => rule(`user ${text}`)), here).effect
    expect(judged("echo x > notes.md", here)).toBe("ask")
    expect(judged("echo x > notes.md", here, "allow write")).toBe("allow")
    expect(judged("echo x > ../other", here, "allow write")).toBe("ask")
    expect(judged("echo x > ../a", `${here}/src`, "allow write")).toBe("allow")
    expect(judged("echo x > src/a", `${here}/private`, "allow write:src/*")).toBe("ask")
    expect(judged("cd / && echo x > notes.md", here, "allow write")).toBe("ask")
    expect(judged("echo x > $FILE", here, "allow write")).toBe("ask")
    expect(judged("echo x > .git/config", here, "allow bash", "deny write:.git/*")).toBe("deny")
  })

  test("deny sees through assignments and directories; where it cannot see, everything asks", () => {
    const rules = ["allow bash", "deny bash:rm *"]
    for (const line of ["rm x", "git log; rm x", "X=1 rm x", "/bin/rm x", "git log $(rm x)", "rm", "X=/a/rm rm x", "'rm' x", "r\\m x"]) expect(allowed(line, ...rules), line).toBe("deny")
    for (const line of ["eval rm x", "sudo rm x", "sudo -u me rm x", "sh -c 'rm x'", "env A=b rm x", "ls | xargs rm", "find . -exec rm {} +"]) expect(allowed(line, ...rules), line).toBe("deny")
    for (const line of ["eval $X", "$X y", "sh -c \"$X\"", "python3 -c 'import os'"]) expect(allowed(line, ...rules), line).toBe("ask")
    expect(allowed("eval x", "allow bash")).toBe("allow")
  })

  test("a rule without a star allows exactly that line, however strange", () => {
    const line = "for f in *.ts; do eval $f; done"
    const exact = `allow ${suggest({ action: "bash", resource: line }, here)}`
    expect(allowed(line, exact)).toBe("allow")
    expect(allowed(line.replace("*.ts", "anything.ts"), exact)).toBe("ask")
    expect(allowed(`${line}; rm x`, exact)).toBe("ask")
  })

  describe("against a real shell", () => {
    const box = mkdtempSync(join(tmpdir(), "graft-shell-"))
    const bin = join(box, "bin")
    beforeAll(() => {
      mkdirSync(bin)
      for (const name of ["good", "evil"]) {
        writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} $* >> ${box}/ran\necho out\n`)
        chmodSync(join(bin, name), 0o755)
      }
    })
    afterAll(() => rmSync(box, { recursive: true, force: true }))

    /** Every way we know to run "evil" beside, inside or instead of "good", nested, and then damaged a little. */
    const hidings = ["$(E)", "`E`", '"$(E)"', '"`E`"', "; E", "&& E", "|| E", "| E", "|& E", "& E", "\nE", "x\n\nE", "<(E)", ">(E)", "(E)", "{ E; }", "{evil,x}", "x; {evil,x}", "; eval E", "; exec E", "; command E", "; X=evil $X", "; X=evil; $X", "; X=evil; ${X}", "<<A\n$(E)\nA", "<<A\nx\nA\nE", '<<< "$(E)"', "${X:-$(E)}", "${X:=`E`}", "$((1+$(E)))", "$[$(E)]",
      "X=$(E)", "; ev''il", "; e\\vil", '; "evil"', "; 'evil'", "; $'evil'", "; $'\\x65vil'", "; $\"evil\"", "; if E; then x; fi", "; while E; do break; done", "; f() { E; }; f", "; ! E", "; time E", "; [[ $(E) ]]", "# x\nE", "\\\n; E", "'x' ; E", "\"x\" && E", "'\n; E", "x' ; E '", "x\" ; E \"", "2>&1; E", "2>&1 | E", ">&2; E", "> evil", ">> evil", "&> evil", ">| evil", "<> evil", ">evil; x", "\"$\"(E)", "\"\\$(E)\"", "\"\\\\$(E)\"", "\\$(E)", "a=(x `E`)", "; coproc E", "; case x in x) E;; esac", "; trap E EXIT", "; printf -v 'a[$(E)]' x", "; test -v 'a[$(E)]'", "; read 'a[$(E)]' <<< x", "; ev{i,}l", "; ev[i]l", "; ~/../evil"]
    const hidden = fc.array(fc.constantFrom(...hidings), { minLength: 1, maxLength: 3 }).map((nested) => nested.reduceRight((inner, hiding) => hiding.replace("E", () => inner.replace(/^[;&|\n ]+/, "")), "evil"))
    const damage = fc.record({ at: fc.nat(), how: fc.constantFrom("drop", "insert", "insert", "double"), char: fc.constantFrom(..." \n;&|()`\"'\\${}<>#=!~*,".split("")) })
    const damaged = (line: string, { at, how, char }: { at: number; how: string; char: string }) => {
      const place = at % (line.length + 1)
      return line.slice(0, place) + (how === "insert" ? char : how === "double" ? (line[place] ?? "").repeat(2) : "") + line.slice(place + (how === "insert" ? 0 : 1))
    }
    const lines = fc.tuple(fc.constantFrom("good", "good x", 'good "x"', "good 'x'", "x"), fc.constantFrom(" ", " ", ""), hidden, fc.array(damage, { maxLength: 2 })).map(([head, gap, tail, damages]) => damages.reduce(damaged, `${head}${gap}${tail}`))

    /** One letter, as bash reads it back. */
    const letter = (char: string, how: number): string => {
      const code = char.charCodeAt(0)
      return [char, `\\${char}`, `'${char}'`, `"${char}"`, `${char}''`, `""${char}`, `\\\n${char}`, `$'\\x${code.toString(16)}'`, `$'\\${code.toString(8)}'`, `$'\\u00${code.toString(16)}'`, `$'${char}'`][how]!
    }
    const disguised = (word: string) => fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(10)), { minLength: word.length, maxLength: word.length }).map((hows) => [...word].map((char, at) => letter(char, hows[at]!)).join(""))
    const blank = fc.constantFrom(" ", "  ", "\t", " \\\n ", " \\\n")
    const single = (line: string) => `'${line.replaceAll("'", "'\\''")}'`
    /** Where bash finds a command; each runs it. */
    const dress: ((line: string) => string)[] = [
      (line) => line, (line) => `(${line})`, (line) => `{ ${line}; }`, (line) => `! ${line}`, (line) => `good | ${line}`, (line) => `good && ${line}`, (line) => `good; ${line}`, (line) => `good\n\n ${line}`, (line) => `x=1 ${line}`, (line) => `good # x\n${line}`, (line) => `2>&1 ${line}`,
      (line) => `good $(${line})`, (line) => `good "$(${line})"`, (line) => `x=$(${line})`, (line) => `good x$(${line})y`, (line) => `good <(${line}); wait`, (line) => `good <<A\n$(${line})\nA`, (line) => `good <<'A'\nx'\nA\n${line}`, (line) => `good <<< "$(${line})"`, (line) => `good \${x:-$(${line})}`,
      (line) => `if ${line}; then good; fi`, (line) => `if good; then ${line}; fi`, (line) => `for f in a; do ${line}; done`, (line) => `while ${line}; do break; done`, (line) => `case a in (a) ${line};; esac`, (line) => `f() { ${line}; }; f`, (line) => `function f { ${line}; }; f`,
      (line) => `eval ${single(line)}`, (line) => `bash -c ${single(line)}`, (line) => `env ${/^['"\\\w$]/.test(line) && !/[;&|<>(){}\n!#]|^x=|^(if|for|while|case|function)/.test(line) ? line : `bash -c ${single(line)}`}`, (line) => `timeout 5 bash -c ${single(line)}`, (line) => `good | xargs bash -c ${single(line)}`,
    ]
    const dressed = (line: fc.Arbitrary<string>) => fc.tuple(line, fc.array(fc.constantFrom(...dress), { maxLength: 2 })).map(([inner, layers]) => layers.reduce((text, layer) => layer(text), inner))
    const verb = fc.oneof(disguised("push"), fc.constantFrom("{push,x}", "pu{sh,ll}", "$(echo push)", "$'push'", "$PUSH", "p*"))
    const commands = fc.oneof(
      fc.tuple(disguised("evil"), blank).map(([name, gap]) => `${name}${gap}x`),
      fc.tuple(fc.constantFrom("evil", "{evil,x}"), blank).map(([name, gap]) => `${name}${gap}y`),
      fc.tuple(disguised("good"), blank, verb).map(([name, gap, word]) => `${name}${gap}${word}`),
    )

    test("no disguise that bash sees through hides a command, or its verb, from a rule that denies it", () => {
      const rules = [rule("user allow bash"), rule("user deny bash:evil *"), rule("user deny bash:good push*")]
      const found = { deny: 0, ask: 0 }
      let ran = 0
      let [tried, work] = [0, join(box, "disguised")]
      mkdirSync(work, { recursive: true })
      writeFileSync(join(work, "push"), "")
      fc.assert(fc.property(dressed(commands), (line) => {
        const { effect } = judge({ action: "bash", resource: line }, rules, here)
        expect(effect, line).not.toBe("allow")
        found[effect as "deny" | "ask"]++
        if (tried >= 60) return
        tried++
        writeFileSync(join(box, "ran"), "")
        spawnSync("/bin/bash", ["-c", line], { cwd: work, env: { PATH: `${bin}:/usr/bin:/bin`, PUSH: "push" }, stdio: "ignore", timeout: 5_000 })
        if (/^(evil|good push)/m.test(readFileSync(join(box, "ran"), "utf8"))) ran++
      }), { numRuns: 2_000 })
      // The disguises are real ones, and most are seen through, not only doubted.
      expect(ran).toBeGreaterThan(tried * 0.8)
      expect(found.deny).toBeGreaterThan(found.ask)
    })

    test("no line that is allowed runs a command that is not, or writes a file", () => {
      const rules = [rule("user allow bash:good *"), rule("user allow bash:x *")]
      let ran = 0
      fc.assert(fc.property(lines, (line) => {
        if (ran >= 200 || judge({ action: "bash", resource: line }, rules, here).effect !== "allow" || !/e[^]*v[^]*i[^]*l|>/.test(line)) return
        ran++
        const work = join(box, "work")
        rmSync(work, { recursive: true, force: true })
        mkdirSync(work)
        writeFileSync(join(box, "ran"), "")
        try {
          execFileSync("/bin/bash", ["-c", line], { cwd: work, env: { PATH: bin }, stdio: "ignore", timeout: 2_000 })
        } catch { /* its exit code is not what is asked */ }
        expect(readFileSync(join(box, "ran"), "utf8"), line).not.toMatch(/^evil/m)
        expect(readdirSync(work), line).toEqual([])
      }), { numRuns: 3_000 })
      expect(ran).toBeGreaterThan(50)
    })

    test("what is read of a line is what bash runs and writes, no more (xtrace)", () => {
      const loose = ["good", "x", "evil", "echo", ":", "test", " ", " ", " ", "\n", ";", "&", "&&", "|", ">", ">>", "<", ">&", ">&-", "<&-", "2>&1", "&>", "'", '"', "`", "$(", ")", "{", "}", "$x", "${x}", "$", "\\", "#", "=", "x=", "x+=", "!", "*", "[", "]", "~", "1", "-v", "-", "a[", "/dev/null", "out", "jobs", "cd", "if ", "; then ", "; fi", "for x in a; do ", "; done", "(", "<(", "{ ", "; }", "<<A\n", "\nA\n", "<<< ", "$'", "\\\n", "case x in x) ", ";; esac", "f() ", "{x,evil}", "env ", "eval ", "[ ", " ]", "[[ ", " ]]"]
      const quoting = ["good", "x", "evil", " ", " ", "\n", ";", ">", "'", '"', '"', "`", "$(", "$(", ")", ")", "$", "\\", "#", "x=", "*"]
      const text = (tokens: string[], maxLength: number) => fc.array(fc.constantFrom(...tokens), { minLength: 2, maxLength }).map((all) => all.join(""))
      const seen = new Set<string>()
      fc.assert(fc.property(fc.oneof(text(loose, 10), text(quoting, 14)), (line) => {
        const read = readCommand(line, parse)
        if (read.unclear !== undefined || seen.size >= 120 || seen.has(line) || !/[>$`;&|"'\\]/.test(line)) return
        seen.add(line)
        const work = join(box, `traced${seen.size}`)
        mkdirSync(work)
        const trace = join(box, `trace${seen.size}`)
        const out = openSync(trace, "w")
        spawnSync("/bin/bash", ["-c", line], { cwd: work, env: { PATH: bin, PS4: "@ ", BASH_XTRACEFD: "3", SHELLOPTS: "xtrace" }, stdio: ["ignore", "ignore", "ignore", out], timeout: 5_000 })
        closeSync(out)
        const ran = readFileSync(trace, "utf8").split("\n").filter((step) => step.startsWith("@")).map((step) => step.replace(/^@+ /, "").split(/\s+/).find((word) => !/^\w+\+?=/.test(word)) ?? "")
        const names = read.commands.map(({ words, head }) => words[head]?.text ?? "")
        expect([ran.filter((name) => !names.includes(name.replace(/^'(.*)'$/, "$1"))), readdirSync(work).filter((file) => !read.writes.includes(file))], line).toEqual([[], []])
      }), { numRuns: 4_000 })
      expect(seen.size).toBeGreaterThan(40)
    })

    test("the reader is total: any text gives commands or a reason", () => {
      const signs = fc.array(fc.constantFrom(..." \n;&|()`\"'\\${}<>#=!~*[]-", "a", "b", "if ", "<<A", "\0", "ü", "\u{1f600}"), { maxLength: 40 }).map((all) => all.join(""))
      fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), signs), (line) => {
        const read = readCommand(line, parse)
        expect(read.commands.length > 0 || read.writes.length > 0 || read.unclear !== undefined).toBe(true)
      }))
    })
  })
})
