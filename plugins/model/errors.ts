/** `model.unknown`: there is no such model. `model.unusable`: it is known, and cannot be used now. `model.none`: nothing can be used at all. `model.refresh`: the catalogue is as it was. */
export class ModelError extends Error {
  readonly code: "model.unknown" | "model.unusable" | "model.none" | "model.refresh"
  /** References that were perhaps meant, nearest first. */
  readonly near: readonly string[]
  constructor(code: ModelError["code"], message: string, near: readonly string[] = []) {
    super(message)
    this.code = code
    this.near = near
  }
}
