import type { Notify } from "graft"

export interface Skill { name: string; /** When it is of use: what a model decides by. */ description: string; file: string; scope: "built-in" | "user" | "project"; body: string }

/** What somebody wrote down how to do, read when it is needed. */
export interface Skills {
  list(): Promise<Skill[]>
}

declare module "graft" {
  interface Services { skill: Skills }
  interface Events {
    "skill.added": Notify<{ skill: Omit<Skill, "body"> }>
    "skill.updated": Notify<{ skill: Omit<Skill, "body"> }>
    "skill.removed": Notify<{ name: string }>
  }
}
