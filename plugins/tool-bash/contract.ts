import type { Mutate } from "graft"

declare module "graft" {
  interface Events {
    /** The environment of a command that is about to start. */
    "shell.env": Mutate<{ command: string; directory: string; env: Record<string, string> }>
  }
}
