import type { Decide, Notify } from "graft"

/** `action` is a verb (read, ls, glob, grep, write, edit, bash, net …), `resource` what it is done to: a real path, a command line, a URL. */
export interface PermissionAsk { action: string; resource: string; /** Shown to a person beside it, e.g. a diff, or where a link really leads. */ detail?: string; /** Where a command starts: its relative redirects are judged from there. Default: the project. */ directory?: string; session?: string; call?: string; /** The rule that "always" would save. */ rule?: string }
/** `rule` is the text of the deciding rule, e.g. `bash:git *`; `source` where it stands (flag, saved, file:line, default, plugin@gen). */
export interface Verdict { effect: "allow" | "ask" | "deny"; rule: string; source: string; reason?: string; /** Of an ask: the rule that would allow it, as `--allow` takes it and "always" saves it. */ suggest?: string }
export interface PendingAsk extends PermissionAsk { id: string; location: string; verdict: Verdict; since: number }
/** `always` holds in this project, `everywhere` in all of them. */
export type Reply = "once" | "always" | "everywhere" | "deny"
/** What of an answer decides about the one call: whether its rule was saved, and for where, is not its concern. */
export type Decided = Exclude<Reply, "everywhere">
/** `unanswered`: nobody is there who could answer. `said`: the person's reason, for who asked. */
export type Answer = { allowed: true; verdict: Verdict } | { allowed: false; verdict: Verdict; because: "denied" | "unanswered" | "interrupted"; said?: string }
/** A part of a shell line (a command, a file that it writes, one that it names) and what decides about it. */
export interface Judged extends Verdict { action: string; resource: string }
export interface SavedRule { rule: string; everywhere: boolean }

export interface Wait {
  signal?: AbortSignal
  /** Awaited before a person is asked. */
  waiting?(ask: PendingAsk): void | Promise<void>
  /** Awaited once that person has answered, before it counts. */
  replied?(id: string, reply: Decided): void | Promise<void>
  /** The answer to this very question, where it was given before: the same question of the same call has the same id, also after a restart. */
  known?(id: string): Decided | undefined
}

/** Rules are `action[:pattern]`, `*` any text; deny beats all; then the nearest layer that matches: flag, env, saved, project, user, default. Errors: `permission.unknown` (no such question is open), `permission.reply` (no answer). */
export interface Permission {
  evaluate(ask: PermissionAsk): Promise<Verdict>
  /** The same, with the parts of a shell line and why it is not certain. Hooks that answer are asked too. */
  explain(ask: PermissionAsk): Promise<{ verdict: Verdict; parts: Judged[]; unclear?: string }>
  /** Evaluates; where the verdict is `ask` and a face that answers is there, waits for that person. */
  request(ask: PermissionAsk, wait?: Wait): Promise<Answer>
  pending(): Promise<PendingAsk[]>
  /** `said`: why not; it goes to who asked. */
  reply(id: string, reply: Reply, said?: string): Promise<void>
  rules(): Promise<{ effect: "allow" | "ask" | "deny"; rule: string; source: string }[]>
  /** The answers that were given for good and hold here. */
  saved(): Promise<SavedRule[]>
  /** Forgets a saved answer: the one of this project, else that of all of them. */
  forget(rule: string): Promise<boolean>
}

/** A face that can put a question to a person now. */
export interface Face { id: string; answers: boolean }
/** What every face says when it begins to work in this project, such as a wall that is down; nothing when all is well. */
export interface Caution { id: string; text(): Promise<string | undefined> }

declare module "graft" {
  interface Services { permission: Permission }
  interface Slots { face: Face; caution: Caution }
  interface Events {
    "permission.asked": Notify<PendingAsk>
    "permission.replied": Notify<{ id: string; reply: Reply | "interrupted"; session?: string }>
    /** Asked after the rules, unless they deny: an answer is the verdict. */
    "permission.evaluate": Decide<PermissionAsk, Verdict>
  }
}
