/** What can be refused; the messages say where, and what to do. The codes are explained in the contract. */
export class ConfigError extends Error {
  readonly code: "config.path" | "config.variable" | "config.broken" | "config.value" | "config.unwritable" | "config.busy" | "config.location"
  constructor(code: ConfigError["code"], message: string) {
    super(message)
    this.code = code
  }
}
