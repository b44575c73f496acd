/**
 * What is said and answered in each scenario. An answer is a function of the conversation that it is asked for with, so
 * that it is the same before and after any crash; and what a person does is the same each time the process starts.
 */

export type Answer = { text: string } | { call: string; name: string; input: unknown } | { pause: number }
/** A refusal of the provider, as llm tells it. */
export interface Refusal { code: string; retryable: boolean; retryAfter?: number }
interface Said { role: string; content: string | readonly { type: string; text?: string; toolName?: string }[] }

/** One thing that the person does, once per input: ids make the rest a repeat. */
export type Act =
  | { do: "prompt"; id: string; text: string; delivery?: "steer" | "queue"; /** Not before a call of this tool was made. */ after?: string }
  | { do: "interrupt"; after: string }
  | { do: "reply"; reply: "once" | "deny" }
  | { do: "idle" }
  | { do: "compact" }
  | { do: "rename" | "revert" | "restore" | "archive" | "move" | "fork" }

export interface Scenario {
  name: string
  acts: Act[]
  /** The n-th request with this conversation, n from 1. */
  answer(said: readonly Said[], n: number): Answer[] | Refusal
  /** What the last message says in the end. */
  ends: RegExp
  /** Rules; default: everything is allowed. */
  ask?: string[]
  plugins?: string[]
  /** Another process does the same at the same time. */
  beside?: true
  /** The home is of a time before the later steps of its schema. */
  old?: true
  /** A file of the project to which a shell command adds a line, at most so often. */
  lines?: { file: string; most: number }
  /** Files of the project of which all are there in the end, or none. */
  together?: readonly string[]
  /** How often each tool may have had its effect, when nothing crashed. */
  effects?: Record<string, number>
  /** What may be left of an interrupted conversation. */
  interrupted?: boolean
}

const results = (said: readonly Said[], tool: string): number => said.filter(({ role, content }) => role === "tool" && typeof content !== "string" && content.some((part) => part.toolName === tool)).length
const users = (said: readonly Said[]): string[] => said.filter(({ role }) => role === "user").map(({ content }) => (typeof content === "string" ? content : content.map((part) => part.text ?? "").join("")))
const heard = (said: readonly Said[], words: string): boolean => users(said).some((text) => text.includes(words))
const told = (said: readonly Said[], words: string): boolean => said.some(({ role, content }) => role === "tool" && JSON.stringify(content).includes(words))
/** Longer than a chunk, so that a part of it is durable before the rest has come. */
const long = (word: string): string => `${word} `.repeat(Math.ceil(2_100 / (word.length + 1)))
const call = (name: string, input: unknown = {}, id = `call_${name}`): Answer => ({ call: id, name, input })

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "answer", acts: [{ do: "prompt", id: "in1", text: "say it" }], ends: /the end/,
    answer: () => [{ text: long("first") }, { text: long("second") }, { text: "the end" }],
  },
  {
    name: "tools", acts: [{ do: "prompt", id: "in1", text: "work" }], ends: /all done/, effects: { look: 1, note: 1 },
    answer: (said) => (results(said, "look") === 0 ? [{ text: "I look." }, call("look")] : results(said, "note") === 0 ? [call("note")] : results(said, "write") === 0 ? [{ text: "I write." }, call("write", { path: "made.txt", content: "made\n" })] : [{ text: "all done" }]),
  },
  {
    name: "patch", acts: [{ do: "prompt", id: "in1", text: "work" }], ends: /all done/, plugins: ["tool-patch"], together: ["one.txt", "new/two.txt", "new/three.txt"],
    answer: (said) => (results(said, "patch") === 0 ? [{ text: "I patch." }, call("patch", { patch: "*** Begin Patch\n*** Add File: one.txt\n+1\n*** Add File: new/two.txt\n+2\n*** Add File: new/three.txt\n+3\n*** End Patch" })] : [{ text: "all done" }]),
  },
  {
    name: "several", acts: [{ do: "prompt", id: "in1", text: "work" }], ends: /all done/, effects: { look: 2, note: 2 },
    answer: (said) => (results(said, "note") === 0 ? [{ text: "At once." }, call("note", {}, "n1"), call("look", {}, "l1"), { pause: 5 }, { text: long("while") }, call("note", {}, "n2"), call("look", {}, "l2")] : [{ text: "all done" }]),
  },
  {
    name: "permission", acts: [{ do: "reply", reply: "once" }, { do: "prompt", id: "in1", text: "work" }], ends: /all done/, ask: ["note"], effects: { note: 1 },
    answer: (said) => (results(said, "note") === 0 ? [call("note")] : [{ text: "all done" }]),
  },
  {
    name: "steer", acts: [{ do: "prompt", id: "in1", text: "work" }, { do: "prompt", id: "in2", text: "and turn left", after: "note" }], ends: /left it is/, effects: { note: 1 },
    answer: (said) => (results(said, "note") === 0 ? [call("note")] : heard(said, "turn left") ? [{ text: "left it is" }] : [{ text: "straight on" }]),
  },
  {
    name: "queue", acts: [{ do: "prompt", id: "in1", text: "first" }, { do: "prompt", id: "in2", text: "second", delivery: "queue" }, { do: "prompt", id: "in3", text: "third", delivery: "queue" }], ends: /said third/,
    answer: (said) => [{ text: `said ${users(said).at(-1)}` }],
  },
  {
    name: "retry", acts: [{ do: "prompt", id: "in1", text: "try" }], ends: /at last/,
    answer: (_, n) => (n <= 2 ? { code: "llm.rate-limit", retryable: true, retryAfter: 30 } : [{ text: "at last" }]),
  },
  {
    name: "interrupt", acts: [{ do: "prompt", id: "in1", text: "work" }, { do: "interrupt", after: "wait" }], ends: /./, effects: { wait: 1 }, interrupted: true,
    answer: (said) => (results(said, "wait") === 0 ? [{ text: "I wait." }, call("wait")] : [{ text: "went on" }]),
  },
  {
    name: "compaction", plugins: ["compaction"], ends: /said fourth/,
    acts: [{ do: "prompt", id: "in1", text: `first ${long("x")}` }, { do: "idle" }, { do: "prompt", id: "in2", text: `second ${long("y")}` }, { do: "idle" }, { do: "prompt", id: "in3", text: "third" }, { do: "idle" }, { do: "compact" }, { do: "idle" }, { do: "prompt", id: "in4", text: "fourth" }],
    answer: (said) => [{ text: `said ${users(said).at(-1)!.split(" ")[0]} ${long("z")}` }, { text: `said ${users(said).at(-1)!.split(" ")[0]}` }],
  },
  {
    name: "job", plugins: ["job", "tool-job", "tool-bash"], acts: [{ do: "prompt", id: "in1", text: "work" }], ends: /heard of it/, lines: { file: "effects.txt", most: 1 },
    // A call that a crash kept from its start opened no job: it is made again.
    answer: (said) => (heard(said, "job") ? [{ text: "heard of it" }] : told(said, "as the job") ? [{ text: "it runs" }] : [call("bash", { command: "echo done >> effects.txt", background: true }, `bash${results(said, "bash")}`)]),
  },
  {
    name: "life", plugins: ["snapshot"], ends: /said third/,
    acts: [
      { do: "prompt", id: "in1", text: "first" }, { do: "idle" }, { do: "rename" }, { do: "prompt", id: "in2", text: "second" }, { do: "idle" }, { do: "revert" }, { do: "restore" }, { do: "revert" },
      { do: "fork" }, { do: "move" }, { do: "archive" }, { do: "prompt", id: "in3", text: "third" },
    ],
    answer: (said) => [{ text: `said ${users(said).at(-1)}` }],
  },
  {
    name: "migration", old: true, acts: [{ do: "prompt", id: "in1", text: "say it" }], ends: /the end/,
    answer: () => [{ text: "the end" }],
  },
  {
    name: "beside", beside: true, acts: [{ do: "prompt", id: "in1", text: "work" }, { do: "prompt", id: "in2", text: "second", delivery: "queue" }], ends: /said second/, effects: { note: 1 },
    answer: (said) => (users(said).at(-1) === "work" && results(said, "note") === 0 ? [call("note")] : [{ text: `said ${users(said).at(-1)}` }]),
  },
]

export const scenarioOf = (name: string): Scenario => {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (!found) throw new Error(`there is no scenario ${name}; there are ${SCENARIOS.map((scenario) => scenario.name).join(", ")}`)
  return found
}
