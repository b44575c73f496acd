/** The closed set of errors that the kernel itself throws. `code` is stable; the message says what to do. */
export type KernelErrorCode = "Retired" | "Unavailable" | "NeedsLocation" | "NotLive" | "Moved" | "Timeout" | "Refused" | "Invalid" | "Depth" | "Superseded"

export class KernelError extends Error {
  readonly code: KernelErrorCode
  constructor(code: KernelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = code
    this.code = code
  }
}

/** An endless stream or wait ended because its plugin was reloaded: go on from your cursor. A call that ends so is made again by its handle. */
export class Moved extends KernelError {
  constructor(message = "the plugin that served this was reloaded; go on from your cursor") { super("Moved", message) }
}

/** Setup called a service that is not live: that setup is over, and is run again when the service comes. */
export class Unavailable extends KernelError {
  readonly service: string
  constructor(service: string) {
    super("Unavailable", `"${service}" is not live`)
    this.service = service
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A crash is a thrown value without a string `code`: a typed error is a result. */
export const isCrash = (error: unknown): boolean => typeof (error as { code?: unknown } | null)?.code !== "string"
