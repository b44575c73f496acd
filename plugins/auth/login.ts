/**
 * Logins that are under way. Each is a stream of steps that a face shows, ended by the browser that comes back, by what a
 * person pastes, by the server that gives the token, or by its deadline. It ends on the generation that began it.
 */
import { randomUUID } from "node:crypto"
import { messageOf, type Graft } from "graft"
import type { AuthMethod, CredentialInfo, LoginOptions, LoginStep, OAuthMethod } from "./contract.ts"
import { checkAccount, checkIntegration, DEFAULT, type OAuthEntry } from "./kept/entries.ts"
import { AuthError } from "./errors.ts"
import type { Begun } from "./oauth/code.ts"
import type { Found } from "./oauth/discovery.ts"
import type { Time } from "./secret/refresher.ts"
import type { AuthState } from "./told.ts"

/** ms for a person. */
const PATIENCE = 600_000
/** Where a browser is sent when nothing here can listen: what it ends at is pasted. */
const NOWHERE = 8_976
const PATH = "/callback"

/** Who waits for a person, by the login's name; outlives a reload. */
export type Waiting = Map<string, (pasted: string) => void>
type Keep = (account: string, entry: OAuthEntry) => Promise<CredentialInfo>
interface Under { graft: Graft<AuthState>; waiting: Waiting; method: OAuthMethod; found: Found; options: LoginOptions; signal: AbortSignal; expires: number; time: Time }

export class Logins {
  readonly #graft: Graft<AuthState>
  readonly #waiting: Waiting

  constructor(graft: Graft<AuthState>, waiting: Waiting) {
    this.#graft = graft
    this.#waiting = waiting
  }

  answer(login: string, pasted: string): void {
    const take = this.#waiting.get(login)
    if (!take) throw new AuthError("auth.unknown", "there is no such login under way; it may have ended, or have taken too long")
    if (pasted.trim() === "" || pasted.length > 16_384) throw new AuthError("auth.invalid", "what was pasted is no address and no code")
    take(pasted)
  }

  async *run(provider: string, options: LoginOptions, methods: () => Promise<AuthMethod[]>, keep: Keep, time: Time): AsyncGenerator<LoginStep> {
    const { account = DEFAULT } = options
    checkIntegration(provider)
    checkAccount(account)
    const method = await methodOf(provider, options.method, methods)
    const late = new AbortController()
    const cancel = this.#graft.timeout(PATIENCE, () => late.abort(new AuthError("auth.login", `nobody logged in to ${provider} within ${PATIENCE / 60_000} minutes`)))
    try {
      const signal = AbortSignal.any([late.signal, this.#graft.signal, ...(options.signal ? [options.signal] : [])])
      const { discover } = await import("./oauth/discovery.ts")
      const found = await discover(method, signal)
      const under: Under = { graft: this.#graft, waiting: this.#waiting, method, found, options, signal, expires: time.now() + PATIENCE, time }
      const entry = yield* method.flow === "device" ? byDevice(under) : byBrowser(under)
      yield { kind: "done", credential: await keep(account, entry) }
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error
    } finally {
      cancel()
    }
  }
}

async function methodOf(provider: string, wanted: LoginOptions["method"], methods: () => Promise<AuthMethod[]>): Promise<OAuthMethod> {
  if (typeof wanted === "object") return wanted
  const offered = (await methods()).filter((method) => method.provider === provider)
  const found = offered.find((method): method is OAuthMethod => method.kind === "oauth" && (wanted === undefined || method.id === wanted))
  if (!found) throw new AuthError("auth.unknown", `${provider} ${wanted === undefined ? "offers no login; a key can be set" : "offers no such login"}${offered.length ? ` (it has ${offered.map(({ id }) => id).join(", ")})` : ""}`)
  return found
}

async function* byDevice({ graft, method, found, options, signal, time }: Under): AsyncGenerator<LoginStep, OAuthEntry> {
  const { beginDevice } = await import("./oauth/device.ts")
  const wait = (milliseconds: number) => pause(graft, milliseconds, signal)
  const { url, code, complete, expires, finish } = await beginDevice(method, found, wait, time.now, options.scopes, signal)
  yield { kind: "code", login: randomUUID(), url, code, ...(complete && { complete }), expires }
  return finish()
}

/** Whichever comes first: the browser, or the person. */
async function* byBrowser(under: Under): AsyncGenerator<LoginStep, OAuthEntry> {
  const { graft, waiting, method, found, options, signal, expires, time } = under
  const { beginCode } = await import("./oauth/code.ts")
  const [login, state, over] = [randomUUID(), randomUUID(), new AbortController()]
  const { port = 0, path = PATH } = method.redirect ?? {}
  const { promise: pasted, resolve, reject } = Promise.withResolvers<string>()
  // Also when nobody reads its steps any more.
  const stop = () => {
    waiting.delete(login)
    over.abort()
    reject(signal.reason)
  }
  signal.addEventListener("abort", stop, { once: true })
  waiting.set(login, resolve)
  pasted.catch(() => {})
  const door = hasDoor(graft) ? graft.server.callback({ port, path, state, milliseconds: PATIENCE, signal: over.signal })[Symbol.asyncIterator]() : undefined
  try {
    const open = await door?.next().catch((error: unknown) => void graft.log.warn(`the browser cannot come back by itself: ${messageOf(error)}`))
    const redirect = open && !open.done ? open.value.address : undefined
    const begun = await beginCode(method, found, redirect ?? `http://127.0.0.1:${port || NOWHERE}${path}`, state, time.now, options.scopes, signal)
    yield { kind: "open", login, url: begun.url, ...(redirect !== undefined && { redirect }), expires }
    if (redirect !== undefined) void door!.next().then(({ value }) => { if (value?.query !== undefined) resolve(value.query) }, () => {})
    return await finished(begun, await pasted, signal)
  } finally {
    waiting.delete(login)
    over.abort()
    void door?.return?.().catch(() => {})
    signal.removeEventListener("abort", stop)
  }
}

/** Ends early with the signal. A generation that retires has no timers, and the login goes on. */
function pause(graft: Graft, milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => resolve()
  let plain: NodeJS.Timeout | undefined
  const alone = () => { plain = setTimeout(done, milliseconds) }
  const cancel = graft.retiring.aborted ? alone() : graft.timeout(milliseconds, done)
  graft.retiring.addEventListener("abort", alone)
  signal.addEventListener("abort", done)
  return promise.finally(() => {
    cancel?.()
    clearTimeout(plain)
    graft.retiring.removeEventListener("abort", alone)
    signal.removeEventListener("abort", done)
  })
}

const finished = (begun: Begun, pasted: string, signal: AbortSignal): Promise<OAuthEntry> => {
  signal.throwIfAborted()
  return begun.finish(pasted)
}

/** A call of a service that nobody provides would wait for it. */
const hasDoor = (graft: Graft): boolean => graft.kernel.inspect().realms[0]?.services.server !== undefined
