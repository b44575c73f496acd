/** All routes of our own, by noun. */
import type { Graft } from "graft"
import type { Route } from "../../contract.ts"
import { abilities } from "./abilities.ts"
import { asks } from "./asks.ts"
import { files } from "./files.ts"
import { health } from "./health.ts"
import { jobs } from "./jobs.ts"
import { models } from "./models.ts"
import { plugins } from "./plugins.ts"
import { sessions } from "./sessions.ts"
import { settings } from "./settings.ts"
import { turns } from "./turns.ts"

export const routes = (graft: Graft): Route[] => [health, sessions, turns, asks, jobs, models, abilities, settings, plugins, files].flatMap((noun) => noun(graft))
