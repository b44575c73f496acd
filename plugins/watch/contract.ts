import type { Notify } from "graft"

/** A file or directory, there or not, that its owner wants to hear about. `depth`: levels of directories below it; default all. */
export interface Watched { id: string; path: string; depth?: number }

declare module "graft" {
  interface Slots { watched: Watched }
  interface Events {
    /** Something happened at these paths, spelled as they were asked for; the bytes may be the same. */
    "watch.changed": Notify<{ paths: string[] }>
  }
}
