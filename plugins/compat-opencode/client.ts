/** `client` as opencode's plugins use it, over the services of this project. What has no home here answers with an error that names it. */
import type { Graft } from "graft"
import { messageOf as faultOf } from "graft"
import { readFile } from "node:fs/promises"
import { isAbsolute, join } from "node:path"
import { messageOf, sessionOf } from "./shapes.ts"

interface Asked { path?: Record<string, string>; query?: Record<string, any>; body?: Record<string, any>; [flat: string]: unknown }
type Method = (asked: Asked) => unknown
interface PromptPart { type: string; text?: string; url?: string; filename?: string; synthetic?: boolean }

export function makeClient(graft: Graft, directory: string): object {
  const { session } = graft
  const known = async (id: string) => {
    const found = await session.get(id)
    if (!found) throw new Error(`there is no session ${id}`)
    return found
  }
  const messages = async (id: string, limit?: number) => {
    const found = await known(id)
    const all = await session.messages(id)
    return all.slice(limit === undefined ? 0 : -limit).map((each) => messageOf(each, found))
  }
  /** Parts that the model must not answer go along with the next work. */
  const prompt = async ({ id }: { id: string }, { parts = [], noReply }: { parts?: PromptPart[]; noReply?: boolean }) => {
    const text = parts.flatMap((part) => (part.type === "text" && part.text ? part.text : [])).join("\n\n")
    const files = parts.flatMap((part) => (part.type === "file" && part.url ? part.url : []))
    await session.prompt({ session: id, text, ...(files.length > 0 && { files }), ...(noReply && { resume: false }) })
  }
  const answer = async (asked: Asked) => {
    await prompt({ id: idOf(asked) }, bodyOf(asked))
    if (bodyOf(asked).noReply) return {}
    await session.wait(idOf(asked))
    return (await messages(idOf(asked))).findLast(({ info }) => info.role === "assistant") ?? {}
  }

  return tree({
    session: {
      list: async () => (await session.list({ location: graft.location! })).map(sessionOf),
      get: async (asked) => sessionOf(await known(idOf(asked))),
      create: async (asked) => sessionOf(await session.create({ directory, ...texts(bodyOf(asked), { title: "title", parentID: "parent" }) })),
      update: async (asked) => sessionOf(await session.update(idOf(asked), texts(bodyOf(asked), { title: "title" }))),
      delete: async (asked) => (await session.remove(idOf(asked)), true),
      children: async (asked) => Promise.all((await session.describe(idOf(asked))).children.map(async (id) => sessionOf(await known(id)))),
      messages: (asked) => messages(idOf(asked), asked.query?.limit as number | undefined),
      message: async (asked) => (await messages(idOf(asked))).find(({ info }) => info.id === (asked.path?.messageID ?? asked.messageID)),
      prompt: answer,
      promptAsync: (asked) => prompt({ id: idOf(asked) }, bodyOf(asked)),
      abort: async (asked) => (await session.interrupt(idOf(asked)), true),
      summarize: async (asked) => (await session.compact(idOf(asked)), true),
      fork: async (asked) => sessionOf(await session.fork(idOf(asked), texts(bodyOf(asked), { messageID: "message" }))),
      revert: async (asked) => (await session.revert(idOf(asked), texts(bodyOf(asked), { messageID: "message" })), sessionOf(await known(idOf(asked)))),
      unrevert: async (asked) => (await session.restore(idOf(asked)), sessionOf(await known(idOf(asked)))),
      status: async () => Object.fromEntries((await session.list({ location: graft.location! })).map(({ id, status }) => [id, { type: status === "running" ? "busy" : "idle" }])),
    },
    app: {
      log: (asked) => {
        const { level = "info", message = "", service, extra } = bodyOf(asked)
        const log = graft.log[level as "info"] ?? graft.log.info
        log(`${service ? `${String(service)}: ` : ""}${String(message)}`, ...(extra === undefined ? [] : [extra]))
        return true
      },
      agents: async () => (await graft.agent.list()).map(({ name, description, mode, prompt }) => ({ name, description, mode, prompt, permission: {}, options: {}, tools: {} })),
    },
    config: {
      get: async () => ({ model: await graft.config.get("model", graft.location) }),
      providers: async () => {
        const [providers, models] = [await graft.model.providers(), await graft.model.list({ all: true })]
        return { providers: providers.map(({ id, name }) => ({ id, name, models: Object.fromEntries(models.filter(({ provider }) => provider === id).map((each) => [each.id, modelOf(each)])) })), default: {} }
      },
    },
    provider: {
      list: async () => ({ all: (await graft.model.providers()).map(({ id, name }) => ({ id, name, env: [], models: {} })), connected: (await graft.model.providers()).filter(({ ready }) => ready).map(({ id }) => id), default: {} }),
    },
    auth: {
      set: async (asked) => {
        const { key, access } = bodyOf(asked)
        if (typeof (key ?? access) !== "string") throw new Error("only a key can be kept here; a login is graft auth login")
        await graft.auth.set(idOf(asked), String(key ?? access))
        return true
      },
    },
    tui: {
      showToast: (asked) => (graft.log.info(`${bodyOf(asked).title ? `${String(bodyOf(asked).title)}: ` : ""}${String(bodyOf(asked).message ?? "")}`), true),
    },
    tool: { ids: async () => (await graft.tool.list()).map(({ name }) => name) },
    command: { list: async () => (await graft.command.list()).map(({ name, description }) => ({ name, description, template: "" })) },
    mcp: { status: async () => Object.fromEntries((await graft.mcp.list()).map((server) => [server.name, server])) },
    project: { current: () => ({ id: directory, worktree: graft.location, time: { created: 0 } }), list: () => [{ id: directory, worktree: graft.location, time: { created: 0 } }] },
    path: { get: () => ({ state: "", config: "", worktree: graft.location, directory }) },
    file: {
      read: async (asked) => {
        const path = String(asked.query?.path ?? asked.path ?? "")
        return { type: "text", content: await readFile(isAbsolute(path) ? path : join(directory, path), "utf8") }
      },
    },
  }, graft)
}

const idOf = ({ path, sessionID, id }: Asked): string => String(path?.id ?? path?.sessionID ?? sessionID ?? id ?? "")
const bodyOf = (asked: Asked): Record<string, any> => asked.body ?? asked
/** Those fields that are texts, by the names that they have here. */
const texts = <K extends string>(body: Record<string, unknown>, names: Record<string, K>): { [N in K]?: string } =>
  Object.fromEntries(Object.entries(names).flatMap(([theirs, ours]) => (typeof body[theirs] === "string" ? [[ours, body[theirs]]] : []))) as { [N in K]?: string }
const modelOf = ({ id, name, limits, cost, capabilities }: { id: string; name: string; limits?: object; cost?: object; capabilities?: object }) => ({ id, name, limit: limits ?? {}, cost: cost ?? {}, ...capabilities })

/** Each call gives `{ data }` or `{ error }`, as the generated client of opencode does, and never throws unless it is asked to. */
function tree(groups: Record<string, Record<string, Method>>, graft: Graft): object {
  const told = new Set<string>()
  const method = (name: string, work: Method | undefined) => async (asked: Asked & { throwOnError?: boolean } = {}): Promise<{ data?: unknown; error?: unknown }> => {
    try {
      if (!work) {
        if (!told.has(name)) graft.log.warn(`client.${name} of opencode has no counterpart here: it answers with an error`)
        told.add(name)
        throw new Error(`client.${name} is not known to Graft`)
      }
      return { data: await work(asked) }
    } catch (error) {
      if (asked.throwOnError) throw error
      return { error: { name: "GraftError", data: { message: faultOf(error) } } }
    }
  }
  const group = (name: string): object => new Proxy({}, { get: (_, key) => (typeof key === "symbol" || key === "then" ? undefined : method(`${name}.${key}`, groups[name]?.[key])) })
  return new Proxy({}, { get: (_, key) => (typeof key === "symbol" || key === "then" ? undefined : group(key)) })
}
