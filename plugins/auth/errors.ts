/** No message ever holds a secret. `auth.unreadable` and `auth.unwritable` name the file, `auth.invalid` what was wrong with the input, `auth.busy` who holds the file. */
export class AuthError extends Error {
  readonly code: "auth.unreadable" | "auth.unwritable" | "auth.invalid" | "auth.busy"
  constructor(code: AuthError["code"], message: string) {
    super(message)
    this.code = code
  }
}
