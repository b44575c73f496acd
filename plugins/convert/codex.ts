/** Codex: config.toml of the user and of the project. Pure. */
import { isTree, type Keys, type Tree } from "../lib/tree.ts"
import { isProvider, takeKey } from "./models.ts"
import { count, text, UNKNOWN, yesNo, type Moving } from "./moving.ts"
import { EVERYTHING } from "./rules.ts"
import { takeCodexServers } from "./servers.ts"

/** Where the value that counts stands: the chosen profile's, else that of everybody. */
export function convertCodex(moving: Moving): void {
  const profile = moving.take(["profile"], text)
  const chosen = profile !== undefined && isTree(moving.at("profiles", profile)) ? ["profiles", profile] : undefined
  if (chosen) moving.imply(["profile"], "what that profile says is what holds")
  else moving.leave(["profile"], "there is no profile of that name")
  for (const [name, keys] of moving.entries(["profiles"])) if (name !== profile) moving.leave(keys, "this profile is not the one that is chosen")
  const pick = (key: string): Keys => {
    const special = chosen && moving.at(...chosen, key) !== undefined ? [...chosen, key] : undefined
    if (special) moving.leave([key], "the chosen profile says otherwise")
    return special ?? [key]
  }
  const provider = moving.take(pick("model_provider"), text) ?? "openai"
  const id = moving.take(pick("model"), text)
  if (id !== undefined) moving.put(["model"], `${provider}/${id}`, pick("model"))
  if (id !== undefined && moving.at(...pick("model_provider")) !== undefined) moving.also(pick("model_provider"), ["model"])
  else moving.leave(pick("model_provider"), "it says nothing without a model")
  for (const [key, limit] of [["model_context_window", "context"], ["model_max_output_tokens", "output"]] as const) {
    if (id === undefined) moving.leave(pick(key), "it says nothing without a model")
    else moving.move(pick(key), ["providers", provider, "models", id, "limits", limit], count)
  }
  for (const key of ["model_reasoning_effort", "plan_mode_reasoning_effort", "model_reasoning_summary", "model_verbosity", "model_supports_reasoning_summaries"]) moving.leave(pick(key), `a variant of the model says it, e.g. ${provider}/${id ?? "<id>"}:high`)
  takeProviders(moving)
  for (const key of ["openai_base_url"]) moving.move([key], ["providers", "openai", "url"], text)
  takeCodexServers(moving, ["mcp_servers"])
  walls(moving, pick)
  for (const [path, keys] of moving.texts(pick("model_instructions_file"))) moving.push(["instructions"], path, keys)
  for (const [path, keys] of moving.texts(pick("experimental_instructions_file"))) moving.push(["instructions"], path, keys)
  const search = moving.take(["tools", "web_search"], yesNo)
  if (search !== undefined) moving.leave(["tools", "web_search"], "a search is a plugin with settings of its own: search-brave, search-searxng")
  for (const [key, reason] of Object.entries(HOMELESS)) moving.leave(pick(key), reason)
  if (chosen) for (const key of Object.keys(moving.at(...chosen) as Tree)) moving.leave([...chosen, key], Object.hasOwn(HOMELESS, key) ? HOMELESS[key]! : UNKNOWN)
}

const FACE = "the terminal's face has no settings of the kind"
const LOGIN = "graft auth knows who is logged in"
const HOMELESS: Readonly<Record<string, string>> = {
  web_search: "a search is a plugin with settings of its own: search-brave, search-searxng", default_permissions: "walls are described in another way", permissions: "walls are described in another way", hooks: "hooks are no settings here", memories: "nothing is remembered beside the sessions", allow_login_shell: "bash runs commands",
  notify: "a plugin can listen to what happens; see config/examples", tui: FACE, hide_agent_reasoning: FACE, show_raw_agent_reasoning: FACE, file_opener: FACE, disable_paste_burst: FACE, notice: FACE, check_for_update_on_startup: "Graft does not update itself",
  history: "sessions are kept; `retention` says how long", projects: "Graft asks itself whether a project is trusted", features: "experiments of another program", experimental_use_unified_exec_tool: "experiments of another program", experimental_use_freeform_apply_patch: "experiments of another program",
  project_doc_max_bytes: "an AGENTS.md counts up to 64 KiB", project_doc_fallback_filenames: "AGENTS.md and CLAUDE.md are read", project_root_markers: ".git and .graft mark a project", shell_environment_policy: "what bash starts sees no keys", review_model: "`models.agents` says which model an agent has",
  instructions: "a line in AGENTS.md says it", developer_instructions: "a line in AGENTS.md says it", compact_prompt: "a plugin can fold in its own words", experimental_compact_prompt_file: "a plugin can fold in its own words", model_auto_compact_token_limit: "`compaction.threshold` is a share of the context", tool_output_token_limit: "the tools' output is bounded by themselves",
  chatgpt_base_url: LOGIN, cli_auth_credentials_store: LOGIN, mcp_oauth_credentials_store: LOGIN, forced_login_method: LOGIN, forced_chatgpt_workspace_id: LOGIN, preferred_auth_method: LOGIN, disable_response_storage: "nothing is stored at the provider", oss_provider: "local servers are found by themselves", otel: "nothing is told to anybody", analytics: "nothing is told to anybody", feedback: "nothing is told to anybody", windows_wsl_setup_acknowledged: FACE, personality: "an agent has words of its own", service_tier: "a field of every request stands in providers.openai.body", skills: "skills are read from the skills directories", agents: "subagents have settings of their own", apps: "there are no apps", plugins: "its plugins are not Graft's", marketplaces: "its plugins are not Graft's", suppress_unstable_features_warning: FACE, sandbox_workspace_write: "walls are described in another way",
}

function takeProviders(moving: Moving): void {
  for (const [id, at] of moving.entries(["model_providers"])) {
    if (!isProvider(moving, id, at)) continue
    const to = ["providers", id]
    moving.move([...at, "name"], [...to, "name"], text)
    moving.move([...at, "base_url"], [...to, "url"], text)
    moving.move([...at, "env_key"], [...to, "key"], text, (variable) => `{env:${variable}}`)
    takeKey(moving, [...at, "experimental_bearer_token"], id)
    moving.map([...at, "http_headers"], [...to, "headers"])
    moving.map([...at, "env_http_headers"], [...to, "headers"], (variable) => `{env:${variable}}`)
    moving.move([...at, "query_params", "api-version"], [...to, "version"], text)
    for (const [name, keys] of moving.entries([...at, "query_params"])) if (name !== "api-version") moving.leave(keys, "an endpoint's URL has no parameters here")
    const wire = moving.take([...at, "wire_api"], text)
    if (wire === "chat") moving.imply([...at, "wire_api"], "endpoints speak Chat Completions")
    else if (wire !== undefined) moving.leave([...at, "wire_api"], "an endpoint of one's own is spoken to as Chat Completions; most take both")
    for (const key of ["request_max_retries", "stream_max_retries", "stream_idle_timeout_ms", "websocket_connect_timeout_ms"]) moving.leave([...at, key], "how often is tried again, and how long is waited, follows from what went wrong")
    for (const key of ["env_key_instructions", "requires_openai_auth", "auth", "aws", "supports_websockets"]) moving.leave([...at, key], LOGIN)
  }
}

/** What may be done without a question. */
function walls(moving: Moving, pick: (key: string) => Keys): void {
  const [sandbox, approval] = [moving.take(pick("sandbox_mode"), text), moving.take(pick("approval_policy"), { name: "a text or a table", of: (value) => (typeof value === "string" || isTree(value) ? value : undefined) })]
  if (sandbox === "workspace-write") for (const action of ["edit", "write"]) moving.push(["permissions", "allow"], action, pick("sandbox_mode"))
  else if (sandbox === "danger-full-access") moving.leave(pick("sandbox_mode"), EVERYTHING)
  else if (sandbox !== undefined) moving.imply(pick("sandbox_mode"), "it is so by default: what writes asks")
  if (approval === "never") moving.leave(pick("approval_policy"), "a run that cannot ask does not; what is not allowed is not done")
  else if (approval !== undefined) moving.imply(pick("approval_policy"), "it is so by default: what is not allowed asks")
  for (const [root, keys] of moving.texts(["sandbox_workspace_write", "writable_roots"])) {
    for (const action of ["edit", "write"]) moving.push(["permissions", "allow"], `${action}:${root.replaceAll("\\", "\\\\").replace(/\/?$/, "/")}`, keys)
  }
}
