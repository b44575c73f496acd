/** Small wrong edits of the session engine; each must be killed by the law of sessions.md beside it (`npm run test:mutants`). */
import type { Mutant } from "../../scripts/mutants.ts"

export const sources = ["kernel", "plugins", "config", "test/fixtures"]

const RUNNER = "runner.spec runner-races"
const SESSION = "session.spec"
const mutant = (law: string, tests: string, wrong: string, file: string, from: string, to: string): Mutant => ({ law, tests, wrong, file: `plugins/${file}`, from, to })

export const mutants: Mutant[] = [
  mutant("S2", SESSION, "a projection takes the time of its own clock", "session/projection.ts", `insert("session", { id: session, parent, location, directory, title, agent, model, status: "idle", created, updated: created })`, `insert("session", { id: session, parent, location, directory, title, agent, model, status: "idle", created: Date.now() + 1, updated: created })`),
  mutant("S9", SESSION, "a prompt is no command: its retry is another event", "session/sessions.ts", "command: { id: `${session.id}/${input}`, kind: \"prompt\", hash },", ""),
  mutant("S9", SESSION, "the number of waiting inputs is only looked at before", "session/sessions.ts", "writes: [atMostPending(session.id, MOST_PENDING)],", ""),
  mutant("S10", RUNNER, "everything that waits is taken in at once", "runner/decide.ts", "const first = steers.length > 0 ? steers : inbox.slice(0, 1)", "const first = [...inbox]"),
  mutant("S10", RUNNER, "what is queued joins the running work", "runner/decide.ts", `inbox.filter((input) => input.delivery === "steer")`, `inbox.filter((input) => input.delivery !== undefined)`),
  mutant("S10", RUNNER, "an input joins the commit of a tool's result", "runner/turn.ts", "  if (inputs.length > 0) await ledger.commit()\n", ""),
  mutant("S10", RUNNER, "what was promoted in this drain is promoted again", "runner/drain.ts", ".filter((input) => !ledger.state.transcript.byId.has(input.id))", ""),
  mutant("S10", SESSION, "an input can be taken back after it was promoted", "lib/machine.ts", `  promoted: {},`, `  promoted: { "session.input.cancelled": "cancelled" },`),
  mutant("S11", RUNNER, "bytes leave before the commit", "runner/turn.ts", "await Promise.all([ledger.commit(), stored.then(() => undefined, failureOf)])", "await Promise.all([void ledger.commit(), stored.then(() => undefined, failureOf)])"),
  mutant("S11", RUNNER, "a context that could not be kept is sent all the same", "runner/turn.ts", "    if (kept) return notSent(ledger, id, message, plainFailure(kept))\n", ""),
  mutant("S13", RUNNER, "a tool runs before its start is on disk", "runner/calls.ts", "      await ledger.commit()\n", "      void ledger.commit()\n"),
  mutant("S16", RUNNER, "the next request does not wait for the calls", "runner/turn.ts", "    await (await calls?.catch(() => undefined))?.join()\n", ""),
  mutant("S14", "runner-decide", "a call that did not end has no result", "runner/request.ts", `.filter((call) => call.executed !== "provider").map(resultOf)`, `.filter((call) => call.executed !== "provider" && call.state === "settled").map(resultOf)`),
  mutant("S14", RUNNER, "call ids that repeat are not told apart", "runner/reply.ts", "for (let n = 2; taken.has(unique); n++)", "for (let n = 2; n < 2; n++)"),
  mutant("S15", RUNNER, "what came before the cut is not written", "runner/turn.ts", "    reply.flush()\n", ""),
  mutant("S16", RUNNER, "a call waits for the end of the reply", "runner/turn.ts", "  void calls().then((open) => open.start(work), (", "  void calls().then(async (open) => { await new Promise((resolve) => setTimeout(resolve, 50)); open.start(work) }, ("),
  mutant("S16", RUNNER, "calls run one after the other", "runner/calls.ts", "const BESIDE_EACH_OTHER = 16", "const BESIDE_EACH_OTHER = 1"),
  mutant("S17", RUNNER, "a knock during a drain is not heard", "runner/coordinator.ts", `      if (seat?.phase === "draining") return void (seat.bell = true)\n`, `      if (seat?.phase === "draining") return\n`),
  mutant("S17", RUNNER, "the bell is not read after the last look", "runner/coordinator.ts", "    } while (seat.bell)\n", "    } while (false)\n"),
  mutant("S17", RUNNER, "a run that was asked of the old generation is forgotten", "runner/coordinator.ts", "force: force || handed?.wanted.force === true", "force"),
  mutant("S17", RUNNER, "a last look that fails keeps the seat for ever", "runner/coordinator.ts", "    if (seats.get(id) === seat) seats.delete(id)\n", "    if (ended?.state !== \"failed\" && seats.get(id) === seat) seats.delete(id)\n"),
  mutant("S17", RUNNER, "a run without input asks nothing", "runner/decide.ts", "return eligible || force ? { kind: \"open\", by, inputs: first } : { kind: \"idle\" }", "return eligible ? { kind: \"open\", by, inputs: first } : { kind: \"idle\" }"),
  mutant("S18", RUNNER, "the allowance is never used up", "runner/state.ts", "    activity.allowance--\n", ""),
  mutant("S18", RUNNER, "new input does not refill the allowance", "runner/state.ts", "Object.assign(state.activity, { allowance, fresh: true", "Object.assign(state.activity, { fresh: true"),
  mutant("S19", RUNNER, "an interrupt waits for tools that do not hear it", "runner/calls.ts", "      Effect.raceFirst(patience),\n", ""),
  mutant("S19", RUNNER, "an interrupt forgets the input that was not yet taken in", "runner/drain.ts", `  if (step.kind === "open") open(work, step)\n`, ""),
  mutant("S19", RUNNER, "an interrupt waits for the model and the hooks", "runner/turn.ts", "const prepared = await orStopped(preparing, work.stop)", "const prepared = await preparing"),
  mutant("S19", RUNNER, "an ending is written in pieces", "runner/turn.ts", "    if (stop.aborted) ledger.hold()\n", "    if (stop.aborted) await ledger.commit()\n"),
  mutant("S19", RUNNER, "a call starts after the interrupt", "runner/calls.ts", "      stop.throwIfAborted()\n", ""),
  mutant("S19", RUNNER, "an interrupt of the old generation is forgotten", "runner/coordinator.ts", "interrupt: handed?.interrupt ?? uninterrupted()", "interrupt: uninterrupted()"),
  mutant("S19", RUNNER, "inputs that wait start work after an interrupt", "session/projection.ts", `    { sql: "UPDATE session_input SET resume = 0 WHERE session = ? AND state = 'pending'", params: [session] },\n`, ""),
  mutant("S20", RUNNER, "a lost claim does not stop the drain", "runner/ledger.ts", "      this.#tail.catch((error: unknown) => this.#lost.abort(error))\n", "      this.#tail = this.#tail.catch(() => {})\n"),
  mutant("S20", RUNNER, "a provider answers calls that are not its own", "runner/reply.ts", "if (call === undefined || !open) return", "if (call === undefined) return"),
  mutant("S21", RUNNER, "recovery forgets the calls", "runner/recover.ts", "    if (call.state === \"settled\") continue\n", "    if (call.state !== \"waiting\" as never) continue\n"),
  mutant("S21", RUNNER, "what had only been called is said to have perhaps run", "runner/recover.ts", `const began = call.state === "started" || call.executed === "provider"`, "const began = true"),
  mutant("S22", RUNNER, "Retry-After is not followed", "runner/retry.ts", "  if (failure.retryAfter !== undefined) return failure.retryAfter <= LONGEST_WAIT ? failure.retryAfter : undefined\n", ""),
  mutant("S22", RUNNER, "a try that fails has no end", "runner/retry.ts", " || n > MOST_RETRIES", ""),
  mutant("S28", RUNNER, "an attempt of a turn is settled twice", "runner/turn.ts", "  reply.settle(changed)\n", `  reply.settle(changed)\n  ledger.tell("provider.attempt.settled", { attempt, outcome: "completed" })\n`),
]
