/** A published package that is made for opencode says so by what it stands on, or by its name. */
export function entries(manifest: Record<string, unknown>): Record<string, string> | undefined {
  const { name, main, module, exports, dependencies, peerDependencies, devDependencies, keywords } = manifest as Record<string, any>
  const stands = [dependencies, peerDependencies, devDependencies].some((each) => each && "@opencode-ai/plugin" in each)
  if (typeof name !== "string" || !(stands || keywords?.includes?.("opencode") || /(^|[/-])opencode-/.test(name))) return undefined
  const exported = typeof exports === "string" ? exports : typeof exports?.["."] === "string" ? exports["."] : (exports?.["."]?.import ?? exports?.import)
  const file = [typeof exported === "object" ? exported?.default : exported, main, module, "index.ts", "index.js"].find((each): each is string => typeof each === "string")!
  return { [name.replace(/^@/, "").replaceAll(/[^a-z0-9-]+/gi, "-").toLowerCase()]: file }
}
