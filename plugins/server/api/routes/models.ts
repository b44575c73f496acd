/** Models, who provides them, and what one logs in with. */
import * as v from "valibot"
import type { Graft } from "graft"
import { AuthMethod, Credential, Model, Provenance, Provider } from "../../../lib/wire/setup.ts"
import type { Route } from "../../contract.ts"
import { define, defineLines } from "../call.ts"
import { codes, missing } from "../errors.ts"
import { Id, Line, some } from "./fields.ts"

const Secret = v.pipe(v.string(), v.nonEmpty(), v.maxLength(65_536))

export const models = (graft: Graft): Route[] => [
  define({
    id: "models.list", method: "GET", path: "/models", summary: "Models that can be used in a project",
    input: v.strictObject({
      text: some(Line), provider: some(Id), all: some(v.boolean(), "Those that cannot be used as well, with the reason."),
      seek: some(v.boolean(), "Providers are asked first what they have."),
    }),
    output: v.array(Model),
    handler: async (query, { project }) => (await project()).model.list(query),
  }),
  define({
    id: "models.resolve", method: "GET", path: "/models/resolve", summary: "The model that a turn would get",
    input: v.strictObject({ ref: some(Line), purpose: some(v.picklist(["default", "small"])), agent: some(Line) }),
    output: Model, errors: codes("model.unknown", "model.unusable", "model.none"),
    handler: async ({ ref, purpose, agent }, { project }) => (await project()).model.resolve(ref, purpose, agent === undefined ? {} : { agent }),
  }),
  define({
    id: "models.get", method: "GET", path: "/models/one", summary: "One model, by its ref (provider/id)",
    input: v.strictObject({ ref: Line }),
    output: Model, errors: codes("model.unknown"),
    handler: async ({ ref }, { project }) => (await (await project()).model.get(ref)) ?? missing("model.unknown", `there is no model ${ref}`),
  }),
  define({
    id: "models.why", method: "GET", path: "/models/why", summary: "Who set what of a model",
    input: v.strictObject({ ref: Line, field: some(Line) }),
    output: v.array(Provenance), errors: codes("model.unknown"),
    handler: async ({ ref, field }, { project }) => (await project()).model.why(ref, field),
  }),
  define({
    id: "models.refresh", method: "POST", path: "/models/refresh", summary: "Asks models.dev what is new",
    output: v.object({ result: v.picklist(["unchanged", "updated"]) }), errors: codes("model.refresh"),
    handler: async (_, { project }) => ({ result: await (await project()).model.refresh() }),
  }),
  define({
    id: "providers.list", method: "GET", path: "/providers", summary: "Who provides models, and who is ready to",
    output: v.array(Provider),
    handler: async (_, { project }) => (await project()).model.providers(),
  }),
  define({
    id: "credentials.list", method: "GET", path: "/credentials", summary: "What there is to log in with, without a secret",
    output: v.array(Credential),
    handler: () => graft.auth.list(),
  }),
  define({
    id: "credentials.methods", method: "GET", path: "/credentials/methods", summary: "Ways to come by one",
    output: v.array(AuthMethod),
    handler: async (_, { project }) => (await (await project()).auth.methods()).map(({ id, provider, kind, label, env, url }) => ({ id, provider, kind, label, env: [...env], ...(url !== undefined && { url }) })),
  }),
  define({
    id: "credentials.set", method: "PUT", path: "/credentials/:provider", summary: "Keeps a key",
    input: v.strictObject({ provider: Id, secret: Secret, account: some(Id) }),
    output: Credential, errors: codes("auth.invalid", "auth.busy", "auth.unwritable"),
    handler: ({ provider, secret, account }) => graft.auth.set(provider, secret, account),
  }),
  define({
    id: "credentials.remove", method: "DELETE", path: "/credentials/:provider", summary: "Forgets what is kept",
    input: v.strictObject({ provider: Id, account: some(Id) }),
    output: v.object({ done: v.boolean() }), errors: codes("auth.busy", "auth.unwritable"),
    handler: async ({ provider, account }) => ({ done: await graft.auth.remove(provider, account) }),
  }),
  define({
    id: "credentials.switch", method: "POST", path: "/credentials/:provider/switch", summary: "Makes one of several the one that is used",
    input: v.strictObject({ provider: Id, account: Id }),
    output: Credential, errors: codes("auth.unknown"),
    handler: ({ provider, account }) => graft.auth.switch(provider, account),
  }),
  defineLines({
    id: "credentials.login", method: "POST", path: "/credentials/:provider/login", summary: "Logs in at an authorization server, step by step: one JSON line each, the last is `done`",
    input: v.strictObject({ provider: Id, method: some(Id), account: some(Id) }),
    errors: codes("auth.unknown", "auth.invalid", "auth.login", "auth.unreachable"),
    async *handler({ provider, ...options }, { signal }) {
      for await (const step of graft.auth.login(provider, { ...options, signal })) yield JSON.stringify(step)
    },
  }),
  define({
    id: "credentials.answer", method: "POST", path: "/credentials/logins/:login", summary: "The address at which the browser ended, or the code that it showed",
    input: v.strictObject({ login: Id, pasted: Line }),
    errors: codes("auth.unknown", "auth.invalid", "auth.login"),
    handler: ({ login, pasted }) => graft.auth.answer(login, pasted),
  }),
]
