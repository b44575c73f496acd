/** Waiting that ends at once when this generation of the plugin retires: the command is then entered again on the next one. */
import { Moved, type Graft } from "graft"

export function orMoved<T>(graft: Pick<Graft, "retiring">, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const moved = () => reject(new Moved())
    if (graft.retiring.aborted) moved()
    graft.retiring.addEventListener("abort", moved, { once: true })
    work.finally(() => graft.retiring.removeEventListener("abort", moved)).then(resolve, reject)
  })
}
