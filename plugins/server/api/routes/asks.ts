/** Questions to a person: permissions, the questions of tools, and whether a project's code may run. */
import * as v from "valibot"
import type { Graft } from "graft"
import { PendingAsk, PendingQuestion, PermissionRule, TrustAsk } from "../../../lib/wire/work.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes } from "../errors.ts"
import { Id, Line, Text } from "./fields.ts"

export const asks = (graft: Graft): Route[] => [
  define({
    id: "permissions.list", method: "GET", path: "/permissions", summary: "Permissions that somebody is asked for now",
    output: v.array(PendingAsk),
    handler: async (_, { project }) => (await project()).permission.pending(),
  }),
  define({
    id: "permissions.reply", method: "POST", path: "/permissions/:id", summary: "Allows it once or always, or does not",
    input: v.strictObject({ id: Id, reply: v.picklist(["once", "always", "everywhere", "deny"]), said: v.optional(v.string()) }),
    errors: codes("permission.unknown", "permission.reply"),
    handler: async ({ id, reply, said }, { project }) => (await project()).permission.reply(id, reply, said),
  }),
  define({
    id: "permissions.rules", method: "GET", path: "/permissions/rules", summary: "The rules that hold, and where each stands",
    output: v.array(PermissionRule),
    handler: async (_, { project }) => (await project()).permission.rules(),
  }),
  define({
    id: "permissions.forget", method: "DELETE", path: "/permissions/rules", summary: "Forgets an answer that was saved",
    input: v.strictObject({ rule: Line }),
    output: v.object({ done: v.boolean() }),
    handler: async ({ rule }, { project }) => ({ done: await (await project()).permission.forget(rule) }),
  }),
  define({
    id: "questions.list", method: "GET", path: "/questions", summary: "Questions that wait for a person",
    output: v.array(PendingQuestion),
    handler: async (_, { project }) => (await project()).question.pending(),
  }),
  define({
    id: "questions.reply", method: "POST", path: "/questions/:id", summary: "Answers one; an empty list: would not say",
    input: v.strictObject({ id: Id, answer: v.pipe(v.array(Text), v.maxLength(12)) }),
    errors: codes("question.unknown", "question.answer"),
    handler: async ({ id, answer }, { project }) => (await project()).question.reply(id, answer),
  }),
  define({
    id: "trust.list", method: "GET", path: "/trust", summary: "Code of projects that waits for consent",
    output: v.array(TrustAsk),
    handler: () => graft.trust.pending(),
  }),
  define({
    id: "trust.reply", method: "POST", path: "/trust/:id", summary: "Whether it may run: these bytes, the whole directory until the end, or not",
    input: v.strictObject({ id: Id, answer: v.picklist(["content", "directory", "no"]) }),
    errors: codes("trust.unknown", "trust.busy"),
    handler: ({ id, answer }) => graft.trust.answer(id, answer),
  }),
]
