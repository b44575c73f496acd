/** How long nothing was heard of a call: its signal aborts after too long. While it is excused, a person has a form before them, and may take their time. */

export class Silence {
  readonly #late = new AbortController()
  readonly #milliseconds: number
  readonly #excused: () => boolean
  #timer: NodeJS.Timeout

  constructor(milliseconds: number, excused: () => boolean) {
    this.#milliseconds = milliseconds
    this.#excused = excused
    this.#timer = this.#arm()
  }

  get signal(): AbortSignal { return this.#late.signal }

  broken(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#arm()
  }

  end(): void { clearTimeout(this.#timer) }

  #arm(): NodeJS.Timeout { return setTimeout(() => (this.#excused() ? this.broken() : this.#late.abort()), this.#milliseconds) }
}
