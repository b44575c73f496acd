/** What a built-in route is asked by, and how it is written: its handler's types are those of its schemas. */
import type { GenericSchema, InferOutput } from "valibot"
import type { Graft } from "graft"
import type { Route, RouteCall } from "../contract.ts"

/** `project`: the instance as a part of the project, open until the answer has been given. */
export interface Call extends RouteCall { project(): Promise<Graft> }

type Given<S> = S extends GenericSchema ? InferOutput<S> : undefined
type Wanted<S> = S extends GenericSchema ? Unchanging<InferOutput<S>> : void
/** What is only written down may be read-only. */
type Unchanging<T> = unknown extends T ? T : T extends readonly (infer Item)[] ? readonly Unchanging<Item>[] : T extends object ? { readonly [Key in keyof T]: Unchanging<T[Key]> } : T

type Common = Omit<Route, "input" | "output" | "produces" | "handler">

export const define = <I extends GenericSchema | undefined = undefined, O extends GenericSchema | undefined = undefined>(
  route: Common & { input?: I; output?: O; handler(input: Given<I>, call: Call): Promise<Wanted<O>> },
): Route => route as Route

/** One whose answer is lines, for as long as there are any. */
export const defineLines = <I extends GenericSchema>(route: Common & { input: I; handler(input: Given<I>, call: Call): AsyncIterable<string> }): Route => ({
  ...(route as Common), produces: "application/x-ndjson", deadline: Infinity, handler: async (input, call) => route.handler(input, call as Call),
})
