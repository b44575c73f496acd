/**
 * The eyes: one watcher for each directory that is looked at. They outlive a reload of this plugin, so they are dumb:
 * all they notice goes to the `sink` of the generation that is live.
 */
import type { Stats } from "node:fs"
import type { ChokidarOptions, FSWatcher } from "chokidar"
import type { Lead, Sight } from "./plan.ts"

export interface Sink {
  noticed(eye: Eye, kind: string, path: string, stats?: Stats): void
  ready(eye: Eye): void
  failed(eye: Eye, error: Error): void
  ignores(eye: Eye, path: string): boolean
}

export interface Eye extends Sight { readonly directory: string; /** What changed before then was seen by others. */ readonly since: number; readonly polling: boolean; ready: boolean; watcher?: FSWatcher }

/** `leads`: where the paths of rows led when they were asked for, and then when it was last looked. */
export interface Eyes { readonly watch: (path: string, options: ChokidarOptions) => FSWatcher; readonly open: Map<string, Eye>; leads: ReadonlyMap<string, Lead>; sink: Sink | undefined }

/** Changed when the shape of what is kept does: all eyes are then opened anew. */
export const SHAPE = "1"
/** Milliseconds between two looks where the system can tell nothing. */
export const POLL = 2_000

export async function makeEyes(): Promise<Eyes> {
  const { watch } = await import("chokidar")
  return { watch, open: new Map(), leads: new Map(), sink: undefined }
}

export function openEye(eyes: Eyes, directory: string, sight: Sight, since: number, polling = false): void {
  const eye: Eye = { ...sight, directory, since, polling, ready: false }
  eyes.open.set(directory, eye)
  const live = () => eyes.open.get(directory) === eye
  eye.watcher = eyes.watch(directory, {
    depth: sight.depth ?? 0, persistent: false, followSymlinks: false, atomic: false, ignorePermissionErrors: true,
    ignored: (path) => eyes.sink?.ignores(eye, path) ?? false,
    ...(polling && { usePolling: true, interval: POLL, binaryInterval: POLL }),
  })
  eye.watcher.on("all", (kind, path, stats) => { if (live()) eyes.sink?.noticed(eye, kind, path, stats) })
  eye.watcher.on("ready", () => { if (live()) eyes.sink?.ready(eye) })
  eye.watcher.on("error", (error) => { if (live()) eyes.sink?.failed(eye, error as Error) })
}

export function closeEye(eyes: Eyes, { directory, watcher }: Eye): void {
  eyes.open.delete(directory)
  watcher?.close().catch(() => {})
}

export function closeEyes(eyes: Eyes): void {
  for (const eye of eyes.open.values()) closeEye(eyes, eye)
}
