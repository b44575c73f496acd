import type { Notify } from "graft"

export interface Choice { label: string; /** What it means, shown beside it. */ about?: string }
export interface Question { text: string; /** Without them the answer is free text; with them it may be, too. At most 12. */ choices?: Choice[]; /** More than one may be chosen. */ several?: boolean; session?: string; call?: string }
export interface PendingQuestion extends Question { id: string; location: string; since: number }
/** What was chosen or written; undefined when nobody was there, or somebody would not say. */
export type Answer = string[] | undefined

/** Questions that only a person can answer. Errors: `question.unknown` (no such question is open), `question.answer` (it is none of the choices' number, or empty). */
export interface Questions {
  /** Waits for the person, without a deadline: until the answer, or the signal. With no face that answers it ends at once. */
  ask(question: Question, wait?: { signal?: AbortSignal }): Promise<Answer>
  pending(): Promise<PendingQuestion[]>
  /** An empty list: the person does not want to say. */
  reply(id: string, answer: readonly string[]): Promise<void>
}

declare module "graft" {
  interface Services { question: Questions }
  interface Events {
    "question.asked": Notify<PendingQuestion>
    "question.replied": Notify<{ id: string; session?: string; answered: boolean }>
  }
}
