/** The face that plugins import as "graft". Inside a plugin, `graft` is that plugin's own instance. */
export * from "./vocabulary.ts"
export * from "./instance.ts"
export * from "./control.ts"
