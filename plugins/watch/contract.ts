import type { Notify } from "graft"

export interface Watched { id: string; path: string; depth?: number }

declare module "graft" { interface Slots { watched: Watched } interface Events { "watch.changed": Notify<{ paths: string[] }> } }
