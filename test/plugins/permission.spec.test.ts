/** Nothing happens that no rule or person allowed: rules decide by layer and precision, deny beats everything, and no way of writing a shell line hides a command from them. */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import fc from "fast-check"
import { definePlugin } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { readCommand } from "../../plugins/permission/command.ts"
import { matchesPattern } from "../../plugins/permission/pattern.ts"
import { judge } from "../../plugins/permission/judge.ts"
import { defaultRules, parseRule, type Effect, type Rule, type RuleLayer } from "../../plugins/permission/rules.ts"
import { suggest } from "../../plugins/permission/suggest.ts"
import { SavedAnswers } from "../../plugins/permission/saved.ts"
import { next, openProject, type Project } from "../fixtures/project.ts"

const here = "/home/someone/project"
const rule = (line: string): Rule => {
  const [layer, effect, ...text] = line.split(" ")
  return parseRule(text.join(" "), effect as Effect, layer as RuleLayer, layer!)!
}
const verdict = (rules: string[], action: string, resource: string, directory?: string) => judge({ action, resource, directory }, [...rules.map(rule), ...defaultRules], here).effect

describe("rules", () => {
  test.each<[given: string[], action: string, resource: string, effect: Effect]>([
    // What holds without any rule.
    [[], "read", `${here}/a.ts`, "allow"],
    [[], "read", here, "allow"],
    [[], "ls", here, "allow"],
    [[], "grep", `${here}/src`, "allow"],
    [[], "read", "/etc/passwd", "ask"],
    [[], "read", `${here}-other/a.ts`, "ask"],
    [[], "read", `${here}/.env`, "ask"],
    [[], "read", `${here}/app/.env.local`, "ask"],
    [[], "read", `${here}/.env.example`, "allow"],
    [[], "grep", `${here}/.env`, "ask"],
    [[], "write", `${here}/a.ts`, "ask"],
    [[], "edit", `${here}/a.ts`, "ask"],
    [[], "bash", "ls", "ask"],
    [[], "dice", "", "ask"],
    // A bare file action covers the project; elsewhere a pattern must say so.
    [["user allow write"], "write", `${here}/a.ts`, "allow"],
    [["user allow write"], "write", "/etc/passwd", "ask"],
    [["user allow write:/etc/*"], "write", "/etc/passwd", "allow"],
    [["user allow ls:/etc/*"], "ls", "/etc", "allow"],
    [["user allow read:~/notes/*"], "read", `${homedir()}/notes/a.md`, "allow"],
    [["user allow write:src/*"], "write", `${here}/src/deep/a.ts`, "allow"],
    [["user allow write:src/*"], "write", `${here}/lib/a.ts`, "ask"],
    [["user allow write:./src/*"], "write", `${here}/src/a.ts`, "allow"],
    [["user allow *"], "write", "/etc/passwd", "allow"],
    // Deny beats everything, near or far.
    [["flag allow *", "user deny write:*.lock"], "write", `${here}/package.lock`, "deny"],
    [["flag allow *", "user deny read:*.pem"], "read", "/etc/ssl/key.pem", "deny"],
    [["flag allow write", "user deny write"], "write", "/anywhere", "deny"],
    // The nearest layer, then the more precise rule, then ask.
    [["project ask edit", "user allow edit"], "edit", `${here}/a`, "ask"],
    [["flag allow edit", "project ask edit"], "edit", `${here}/a`, "allow"],
    [["saved allow edit", "project ask edit"], "edit", `${here}/a`, "allow"],
    [["user allow edit", "user ask edit:config/*"], "edit", `${here}/config/a`, "ask"],
    [["user ask edit", "user allow edit:docs/*"], "edit", `${here}/docs/a`, "allow"],
    [["user ask edit", "user allow edit"], "edit", `${here}/a`, "ask"],
    // A slash at the end is the directory with all that is in it; what is denied is denied with all that is in it.
    [["user allow write:src/"], "write", `${here}/src/deep/a.ts`, "allow"],
    [["user allow write:src"], "write", `${here}/src/deep/a.ts`, "ask"],
    [["flag allow write", "user deny write:secrets"], "write", `${here}/secrets/key`, "deny"],
    [["flag allow write", "user deny *:secrets/"], "write", `${here}/secrets/key`, "deny"],
    [["flag allow write", "user deny write:secrets"], "write", `${here}/secrets-not`, "allow"],
    [["flag allow *", "user deny read:../shared/*"], "read", "/home/someone/shared/a", "deny"],
    [["flag allow *", "user deny read:~"], "read", `${homedir()}/.ssh/id`, "deny"],
    [["user allow write:."], "write", `${here}/a`, "allow"],
    // What people write with a space is meant without it.
    [["flag allow *", "user deny write: secrets/*"], "write", `${here}/secrets/key`, "deny"],
    // Tools of others, by their name.
    [["user allow dice"], "dice", "", "allow"],
    [["user allow mcp_*"], "mcp_search", "", "allow"],
    [["user allow webfetch:https://example.org/*"], "webfetch", "https://example.org/a", "allow"],
    [["user allow webfetch:https://example.org/*"], "webfetch", "https://example.org.evil/a", "ask"],
  ])("%j: %s %s → %s", (given, action, resource, effect) => expect(verdict(given, action, resource)).toBe(effect))

  test("a search over a home directory that is itself the project asks", () => {
    expect(judge({ action: "grep", resource: homedir() }, defaultRules, homedir()).effect).toBe("ask")
    expect(judge({ action: "grep", resource: join(homedir(), "src") }, defaultRules, homedir()).effect).toBe("allow")
  })

  test("a verdict names its rule and where it stands; an ask says what would allow it", () => {
    expect(judge({ action: "bash", resource: "git push origin" }, [rule("user deny bash:git push*")], here)).toMatchObject({ effect: "deny", rule: "bash:git push*", source: "user" })
    expect(judge({ action: "bash", resource: "git status -s" }, defaultRules, here)).toMatchObject({ effect: "ask", suggest: "bash:git status *" })
  })

  test.each([
    ["bash", "git status -s", "bash:git status *"], ["bash", "npm test", "bash:npm test *"], ["bash", "npm run build", "bash:npm run build *"], ["bash", "ls -la", "bash:ls *"], ["bash", "node scripts/a.js x", "bash:node scripts/a.js *"], ["bash", "npx vitest run", "bash:npx vitest *"],
    ["bash", "make", "bash:make"], ["bash", "git -C .. log", "bash:git -C .. log"], ["bash", "npm run", "bash:npm run"], ["bash", "rm a.txt", "bash:rm a.txt"], ["bash", "curl https://example.org", "bash:curl https://example.org"], ["bash", "node -e 1", "bash:node -e 1"], ["bash", "a | b", "bash:a | b"], ["bash", "a > b", "bash:a > b"], ["bash", "X=1 a", "bash:X=1 a"],
    ["write", `${here}/a`, "write"], ["write", "/etc/hosts", "write:/etc/hosts"], ["read", "/usr/share/doc/a", "read:/usr/share/doc/*"], ["read", "/a", "read:/a"], ["read", join(homedir(), "a"), `read:${join(homedir(), "a")}`], ["read", `${here}/.env`, `read:${here}/.env`], ["ls", "/usr/share", "ls:/usr/share/*"], ["ls", "/", "ls:/"], ["dice", "", "dice"],
  ])("'always' for %s %s would save %s: no wider than what was seen", (action, resource, saved) => expect(suggest({ action, resource }, here)).toBe(saved))

  test("what an ask suggests allows the very same ask, and no other action", () => {
    const asks = fc.oneof(
      fc.record({ action: fc.constantFrom("read", "write", "edit", "ls"), resource: fc.string({ minLength: 1 }).filter((s) => !/[/\0]/.test(s) && s !== "." && s !== "..").map((name) => `/srv/${name}`) }),
      fc.record({ action: fc.constantFrom("read", "write", "ls", "grep"), resource: fc.constantFrom("/", "/etc", "/etc/hosts", homedir(), join(homedir(), "x"), dirname(here), here) }),
      fc.record({ action: fc.constant("bash"), resource: fc.string({ minLength: 1 }).filter((line) => line.trim() !== "") }),
      fc.record({ action: fc.constantFrom("dice", "webfetch"), resource: fc.string() }),
    )
    fc.assert(fc.property(asks, (ask) => {
      const suggested = parseRule(suggest(ask, here), "allow", "saved", "saved")!
      expect(judge(ask, [suggested], here).effect).toBe("allow")
      expect(judge({ ...ask, action: "other" }, [suggested], here).effect).toBe("ask")
    }))
  })

  test("denying something never allows anything, whatever the other rules are", () => {
    const layers = fc.constantFrom<RuleLayer>("flag", "saved", "project", "user")
    const anyRule = fc.record({ layer: layers, effect: fc.constantFrom<Effect>("allow", "ask", "deny"), text: fc.constantFrom("*", "bash", "bash:git *", "bash:*", "write", "write:*", "write:src/*", "read:/etc/*", "read", "bash:rm *", "bash:git push*") }).map(({ layer, effect, text }) => parseRule(text, effect, layer, layer)!)
    const ask = fc.constantFrom({ action: "bash", resource: "git push" }, { action: "bash", resource: "git log && rm -r x > src/y" }, { action: "write", resource: `${here}/src/a` }, { action: "read", resource: "/etc/passwd" })
    fc.assert(fc.property(fc.array(anyRule, { maxLength: 8 }), anyRule, ask, (rules, extra, asked) => {
      const before = judge(asked, rules, here).effect
      const after = judge(asked, [...rules, { ...extra, effect: "deny" }], here).effect
      expect(after === before || after === "deny" || (before === "allow" && after === "ask")).toBe(true)
    }))
  })

  test("a hostile pattern costs no exponential time", () => {
    const started = performance.now()
    expect(matchesPattern(`${"*a".repeat(200)}b`, "a".repeat(5_000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test("patterns agree with their regular expressions", () => {
    const pattern = fc.array(fc.constantFrom("*", "a", "b", "\\*", "\\\\", ".", "/"), { maxLength: 8 }).map((parts) => parts.join(""))
    const text = fc.array(fc.constantFrom("a", "b", "*", "\\", ".", "/"), { maxLength: 8 }).map((parts) => parts.join(""))
    fc.assert(fc.property(pattern, text, (p, t) => {
      const source = p.replace(/\\\*|\\\\|[\s\S]/g, (token) => (token === "*" ? "[^]*" : token.startsWith("\\") && token.length === 2 ? `\\${token[1]}` : token.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")))
      expect(matchesPattern(p, t)).toBe(new RegExp(`^${source}$`).test(t))
    }))
  })
})

describe("shell lines", () => {
  const allowed = (line: string, ...rules: string[]) => judge({ action: "bash", resource: line }, rules.map((text) => rule(`user ${text}`)), here).effect

  test.each<[line: string, effect: Effect]>([
    ["git status", "allow"], ["git", "allow"], ["gitk", "ask"], ["  git   status  ", "allow"], ["git log | wc -l", "allow"], ["git status && git diff; git log", "allow"], ["git log\ngit diff", "allow"],
    ["git log & git diff", "allow"], ["git status # rm -rf /", "allow"], ["git log $(git rev-parse HEAD)", "allow"], ["git log `git rev-parse HEAD`", "allow"], ['git commit -m "a; rm -rf b"', "allow"], ["git commit -m 'x && y'", "allow"],
    ["git log 2>&1 >/dev/null", "allow"], ["git log 2>/dev/null", "allow"], ['git log --grep="foo$"', "allow"], ["git log $BRANCH", "allow"],
    ["git status && rm -rf /", "ask"], ["git status; rm x", "ask"], ["git status | sh", "ask"], ["git log $(rm x)", "ask"], ['git log "$(rm x)"', "ask"], ["git log `rm x`", "ask"], ["git log\nrm x", "ask"], ["git log & rm x", "ask"],
    ["git log > out.txt", "ask"], ["git log >> .bashrc", "ask"], ["git log &> x", "ask"], ["git log >| x", "ask"], ["git log <(rm x)", "ask"], ["git log <<EOF\nx\nEOF", "ask"], ["(git log)", "ask"], ["{ git log; }", "ask"],
    ["PATH=/tmp/evil git status", "ask"], ["GIT_SSH_COMMAND=evil git fetch", "ask"], ["$GIT status", "ask"], ["g\\it status", "ask"], ["'git' status", "ask"], ["eval git status", "ask"], ["exec git status", "ask"], ["env git status", "ask"],
    ["git -c core.pager=evil log", "ask"], ["git log ${X:=$(rm x)}", "ask"], ["git log $((1+1))", "ask"], ["git log $'a'", "ask"], ["git log {a,b}", "ask"], ["git log \\\n rm", "ask"], ["git log 'unclosed", "ask"], ["if git log; then git diff; fi", "ask"],
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
      expect(readCommand(line).unclear).toBeDefined()
      expect(allowed(line, "allow bash", "deny bash:rm *")).not.toBe("allow")
    })

  test("what follows a closed descriptor is a command", () => {
    for (const line of [">&-rm x", ">& -rm x", "<&-rm x", "2>&-rm x"]) expect(allowed(line, "allow write", "allow bash:git *", "deny bash:rm *"), line).toBe("deny")
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
      expect(allowed("{ echo x > .git/config; }", ...rules)).toBe("ask")
      expect(allowed("cd .git; echo x > config", ...rules)).not.toBe("allow")
    }
    expect(judge({ action: "bash", resource: "{ x; }" }, [rule("flag allow bash"), rule("user ask bash:git push*"), rule("user ask write")], here).effect).toBe("allow")
    expect(judge({ action: "bash", resource: "{ x; }" }, [rule("flag allow bash"), rule("user deny bash:git push*")], here).effect).toBe("ask")
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
    for (const line of ["eval rm x", "sudo rm x", "sh -c 'rm x'", "$X y"]) expect(allowed(line, ...rules), line).toBe("ask")
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
        writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} >> ${box}/ran\necho out\n`)
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
        expect(readFileSync(join(box, "ran"), "utf8"), line).not.toContain("evil")
        expect(readdirSync(work), line).toEqual([])
      }), { numRuns: 5_000 })
      expect(ran).toBeGreaterThan(50)
    })

    test("what is read of a line is what bash runs and writes, no more (xtrace)", () => {
      const loose = ["good", "x", "evil", "echo", ":", "test", " ", " ", " ", "\n", ";", "&", "&&", "|", ">", ">>", "<", ">&", ">&-", "<&-", "2>&1", "&>", "'", '"', "`", "$(", ")", "{", "}", "$x", "${x}", "$", "\\", "#", "=", "x=", "x+=", "!", "*", "[", "]", "~", "1", "-v", "-", "a[", "/dev/null", "out", "jobs", "cd"]
      const quoting = ["good", "x", "evil", " ", " ", "\n", ";", ">", "'", '"', '"', "`", "$(", "$(", ")", ")", "$", "\\", "#", "x=", "*"]
      const text = (tokens: string[], maxLength: number) => fc.array(fc.constantFrom(...tokens), { minLength: 2, maxLength }).map((all) => all.join(""))
      const seen = new Set<string>()
      fc.assert(fc.property(fc.oneof(text(loose, 10), text(quoting, 14)), (line) => {
        const read = readCommand(line)
        if (read.unclear !== undefined || seen.size >= 120 || seen.has(line) || !/[>$`;&|"'\\]/.test(line)) return
        seen.add(line)
        const work = join(box, `traced${seen.size}`)
        mkdirSync(work)
        const trace = join(box, `trace${seen.size}`)
        const out = openSync(trace, "w")
        spawnSync("/bin/bash", ["-c", line], { cwd: work, env: { PATH: bin, PS4: "@ ", BASH_XTRACEFD: "3", SHELLOPTS: "xtrace" }, stdio: ["ignore", "ignore", "ignore", out], timeout: 5_000 })
        closeSync(out)
        const ran = readFileSync(trace, "utf8").split("\n").filter((step) => step.startsWith("@")).map((step) => step.replace(/^@+ /, "").split(/\s+/).find((word) => !/^\w+\+?=/.test(word)) ?? "")
        const names = read.commands.map(({ words, head }) => words[head] ?? "")
        expect([ran.filter((name) => !names.includes(name.replace(/^'(.*)'$/, "$1"))), readdirSync(work).filter((file) => !read.writes.includes(file))], line).toEqual([[], []])
      }), { numRuns: 3_200 })
      expect(seen.size).toBeGreaterThan(60)
    })

    test("the reader is total: any text gives commands or a reason", () => {
      fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (line) => {
        const read = readCommand(line)
        expect(read.commands.length > 0 || read.writes.length > 0 || read.unclear !== undefined).toBe(true)
      }))
    })
  })
})

describe("the service", () => {
  let project: Project
  beforeAll(async () => { project = await openProject({ only: ["permission"], copy: true }) })
  afterAll(async () => project[Symbol.asyncDispose]())
  const face = () => project.kernel.put("face", definePlugin({ per: "process", setup: (graft) => { graft.add("face", { id: "test", answers: true }) } }))

  test("without a face that answers, an ask comes back unanswered at once", async () => {
    const answer = await project.graft.permission.request({ action: "bash", resource: "ls -la" })
    expect(answer).toMatchObject({ allowed: false, because: "unanswered", verdict: { suggest: "bash:ls *" } })
  })

  test("rules of every layer are seen with where they stand", async () => {
    project.rules.user = { deny: ["bash:rm *"] }
    expect(await project.graft.permission.rules()).toContainEqual({ effect: "deny", rule: "bash:rm *", source: "/user.jsonc:3" })
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "rm x" })).toMatchObject({ effect: "deny", source: "/user.jsonc:3" })
  })

  test("a hook may answer, but not over a deny", async () => {
    await project.kernel.put("hook", definePlugin({ per: "location", setup: (graft) => { graft.on("permission.evaluate", (ask) => (ask.resource.startsWith("r") ? { effect: "allow" as const, rule: "hook", source: "hook@1" } : undefined)) } }), project.directory)
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "run me" })).toMatchObject({ effect: "allow", rule: "hook" })
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "rm x" })).toMatchObject({ effect: "deny" })
    await project.kernel.drop("hook", project.directory)
  })

  test("a person is asked, and 'once' holds once", async () => {
    await face()
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "make", session: "s", call: "c1" })
    const ask = await asked
    expect(ask).toMatchObject({ action: "bash", resource: "make", rule: "bash:make", location: project.directory })
    expect(await project.graft.permission.pending()).toHaveLength(1)
    await project.graft.permission.reply(ask.id, "once")
    expect(await answer).toMatchObject({ allowed: true })
    expect(await project.graft.permission.pending()).toEqual([])
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
  })

  test("'always' is saved for this project, privately, settles what else it covers, and can be forgotten", async () => {
    const first = next(project.graft, "permission.asked", ({ call }) => call === "c2")
    const second = next(project.graft, "permission.asked", ({ call }) => call === "c3")
    const answers = [project.graft.permission.request({ action: "bash", resource: "lint a", call: "c2" }), project.graft.permission.request({ action: "bash", resource: "lint b", call: "c3" })]
    await second
    await project.graft.permission.reply((await first).id, "always")
    expect(await Promise.all(answers)).toMatchObject([{ allowed: true }, { allowed: true }])
    const file = join(project.data, "data", "permissions.json")
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ [project.directory]: ["bash:lint *"] })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await project.graft.permission.evaluate({ action: "bash", resource: "lint c" })).toMatchObject({ effect: "allow", source: "saved" })
    expect(await project.graft.permission.forget("bash:lint *")).toBe(true)
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "lint c" })).effect).toBe("ask")
  })

  test("a file of saved answers that is broken allows nothing, and is kept", async () => {
    const file = join(project.data, "data", "permissions.json")
    writeFileSync(file, "{ half")
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "make", call: "c4" })
    await project.graft.permission.reply((await asked).id, "always")
    expect(await answer).toMatchObject({ allowed: true })
    expect(readFileSync(`${file}.broken`, "utf8")).toBe("{ half")
    await project.graft.permission.forget("bash:make")
  })

  test("a file of saved answers that cannot be read allows nothing, and stops nobody", async () => {
    const file = join(project.data, "data", "permissions.json")
    rmSync(file, { force: true })
    mkdirSync(file)
    expect((await project.graft.permission.evaluate({ action: "bash", resource: "make" })).effect).toBe("ask")
    rmSync(file, { recursive: true })
  })

  test("answers that are saved at once all hold", async () => {
    const file = join(project.data, "both.json")
    await Promise.all(["a", "b", "c"].map(async (rule) => new SavedAnswers(file, () => {}).add("/p", rule)))
    expect([...(await new SavedAnswers(file, () => {}).rules("/p"))].sort()).toEqual(["a", "b", "c"])
  })

  test("files are judged by where they really are: what is written through a link, and rules that name one", async () => {
    const { directory, outside, graft } = project
    symlinkSync(outside, join(directory, "away"))
    mkdirSync(join(directory, "inner"))
    symlinkSync(join(directory, "inner"), join(directory, "near"))
    const effect = async (action: string, resource: string) => (await graft.permission.evaluate({ action, resource, directory })).effect
    project.rules.user = { allow: ["bash:echo *", "write", "write:away/*"], deny: ["write:near/*"] }
    expect(await effect("bash", "echo x > here")).toBe("allow")
    expect(await effect("bash", "echo x > away/there")).toBe("ask")
    expect(await effect("write", join(outside, "there"))).toBe("ask")
    expect(await effect("write", join(directory, "inner", "a"))).toBe("deny")
    expect(await effect("bash", "echo x > inner/a")).toBe("deny")
    project.rules.user = { allow: [`write:${join(outside, "..", "outside-link")}/*`] }
    symlinkSync(outside, join(outside, "..", "outside-link"))
    expect(await effect("write", join(outside, "there"))).toBe("allow")
    project.rules.user = { deny: ["bash:rm *"] }
  })

  test("what is no answer is refused, and the question stays", async () => {
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "sure", call: "c9" })
    const { id } = await asked
    await expect(project.graft.permission.reply(id, "maybe" as never)).rejects.toMatchObject({ code: "permission.reply" })
    const replied: string[] = []
    const remove = project.graft.on("permission.replied", ({ reply }) => void replied.push(reply))
    for (const none of ["constructor", "__proto__", "ask_0"]) await expect(project.graft.permission.reply(none, "once")).rejects.toMatchObject({ code: "permission.unknown" })
    // Two faces answer: the first one counts, and is told once.
    const both = await Promise.allSettled([project.graft.permission.reply(id, "deny"), project.graft.permission.reply(id, "once")])
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"])
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    await project.kernel.settled()
    expect(replied).toEqual(["deny"])
    remove()
  })

  test("an interrupt ends the wait, and no answers to it", async () => {
    const stop = new AbortController()
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "sleep 1", call: "c5" }, { signal: stop.signal })
    const { id } = await asked
    stop.abort()
    expect(await answer).toMatchObject({ allowed: false, because: "interrupted" })
    await expect(project.graft.permission.reply(id, "once")).rejects.toMatchObject({ code: "permission.unknown" })
  })

  test("whoever keeps a question is told before a person is, and of the answer before it counts; an answer that was kept is the answer (C12, C41)", async () => {
    const told: string[] = []
    const ask = { action: "bash", resource: "kept", session: "s", call: "c8" }
    const asked = next(project.graft, "permission.asked", (pending: { call?: string }) => (told.push("asked"), pending.call === "c8"))
    const wait = { waiting: async () => void told.push("waiting"), replied: async (_: string, reply: string) => void told.push(`replied ${reply}`) }
    const answer = project.graft.permission.request(ask, wait).finally(() => told.push("answered"))
    const { id } = (await asked) as { id: string }
    await project.graft.permission.reply(id, "deny")
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    expect(told).toEqual(["waiting", "asked", "replied deny", "answered"])
    for (const [reply, allowed] of [["once", true], ["deny", false]] as const) expect(await project.graft.permission.request(ask, { ...wait, known: (kept) => (kept === id ? reply : undefined) })).toMatchObject({ allowed })
    expect(told).toHaveLength(4)
    await expect(project.graft.permission.request(ask, { waiting: () => { throw new Error("the disk is full") } })).rejects.toThrow("the disk is full")
    expect(await project.graft.permission.pending()).toEqual([])
  })

  test("a question survives a reload of the plugin: asked once, answered on the next generation", async () => {
    let times = 0
    const remove = project.graft.on("permission.asked", () => void times++)
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "slow", session: "s", call: "c6" })
    const { id } = await asked
    const source = join(project.sources, "permission", "index.ts")
    writeFileSync(source, `${readFileSync(source, "utf8")}// saved again`)
    const reloaded = next<{ plugin: string }>(project.graft, "plugin.reloaded", ({ plugin }) => plugin === "permission")
    await project.kernel.reconcile([source])
    await reloaded
    expect((await project.graft.permission.pending()).map((ask) => ask.id)).toEqual([id])
    await project.graft.permission.reply(id, "deny")
    expect(await answer).toMatchObject({ allowed: false, because: "denied" })
    expect(times).toBe(1)
    remove()
  })

  test("when the last face leaves, nobody waits for it", async () => {
    const asked = next(project.graft, "permission.asked")
    const answer = project.graft.permission.request({ action: "bash", resource: "gone", call: "c7" })
    await asked
    await project.kernel.drop("face")
    expect(await answer).toMatchObject({ allowed: false, because: "unanswered" })
  })
})
