/** No message ever holds a secret. Each says which integration, account or file, and what to do. */
export type AuthErrorCode =
  | "auth.invalid" | "auth.unknown" | "auth.unreadable" | "auth.unwritable" | "auth.busy" | "auth.keychain"
  | "auth.command" | "auth.file" | "auth.gateway" | "auth.login" | "auth.revoked" | "auth.unreachable"

export class AuthError extends Error {
  readonly code: AuthErrorCode
  constructor(code: AuthErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
