/** pi: settings.json of the user and of the project, and the user's models.json. Pure. */
import { basename } from "node:path"
import { takePiProviders } from "./models.ts"
import { count, text, yesNo, type Moving } from "./moving.ts"

export function convertPi(moving: Moving, file: string): void {
  if (basename(file) === "models.json") return takePiProviders(moving, ["providers"])
  defaultModel(moving)
  moving.entries(["compaction"])
  moving.move(["compaction", "enabled"], ["compaction", "auto"], yesNo)
  moving.move(["compaction", "reserveTokens"], ["compaction", "reserve"], count)
  moving.move(["compaction", "keepRecentTokens"], ["compaction", "keep", "tokens"], count)
  moving.leave(["compaction", "modelOverrides"], "one threshold counts for every model, as a share of its context")
  for (const [path, keys] of moving.texts(["prompts"])) moving.leave(keys, `commands are read from the commands directories; copy ${path} there`)
  for (const [key, reason] of Object.entries(HOMELESS)) moving.leave([key], reason)
}

function defaultModel(moving: Moving): void {
  const [provider, id] = [moving.take(["defaultProvider"], text), moving.take(["defaultModel"], text)]
  if (id === undefined) return moving.leave(["defaultProvider"], "it says nothing without a model")
  moving.put(["model"], provider === undefined ? id : `${provider}/${id}`, ["defaultModel"])
  if (provider !== undefined) moving.also(["defaultProvider"], ["model"])
}

const FACE = "the terminal's face has no settings of the kind"
const THINKING = "a variant of the model says how much it thinks, e.g. provider/<id>:high"
const QUEUE = "each message says whether it steers or waits"
const PACKAGES = "plugins are added one by one, and asked about: graft plugin add"
const HOMELESS: Readonly<Record<string, string>> = {
  defaultThinkingLevel: THINKING, modelThinkingLevels: THINKING, thinkingBudgets: THINKING, hideThinkingBlock: FACE, showCacheMissNotices: FACE, theme: FACE, themes: FACE, externalEditor: FACE, quietStartup: FACE, collapseChangelog: FACE, doubleEscapeAction: FACE, treeFilterMode: FACE, editorPaddingX: FACE, outputPad: FACE, autocompleteMaxVisible: FACE, showHardwareCursor: FACE, tuiMode: FACE, fullscreenExitOutput: FACE, fullscreenScrollbar: FACE, fullscreenCopyOnSelect: FACE, terminal: FACE, warnings: FACE, lastChangelogVersion: FACE, markdown: FACE,
  defaultProjectTrust: "Graft asks itself whether a project is trusted", enableInstallTelemetry: "nothing is told to anybody", enableAnalytics: "nothing is told to anybody", trackingId: "nothing is told to anybody",
  httpProxy: "HTTP_PROXY and HTTPS_PROXY say it", branchSummary: "branches are not summed up", retry: "how often is tried again follows from what went wrong", steeringMode: QUEUE, followUpMode: QUEUE, queueMode: QUEUE, transport: "a provider's plugin knows how to speak", httpIdleTimeoutMs: "a silent provider is noticed by Graft: plugins.llm.idle says after how long", websocketConnectTimeoutMs: "a provider's plugin knows how to speak", toolTimeoutMs: "each call says how long it may take",
  enabledModels: "all models are offered; `models.allow` says which may be used", images: "images are made to fit the model", shellPath: "bash runs commands", shellCommandPrefix: "bash runs commands as they are", npmCommand: PACKAGES, defaultTools: "an agent has tools of its own", packages: PACKAGES, extensions: PACKAGES, hooks: PACKAGES, customTools: PACKAGES, skills: "skills are read from the skills directories", enableSkillCommands: "skills are read from the skills directories", sessionDir: "sessions are in the database", disabledProviders: "`models.deny` says which providers are not used",
}
