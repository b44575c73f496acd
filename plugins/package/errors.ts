/** What can go wrong with a package, each with a code that stays. */
export class PackageError extends Error {
  readonly code: "package.spec" | "package.install" | "package.manifest" | "package.engines" | "package.taken" | "package.unknown"
  constructor(code: PackageError["code"], message: string) {
    super(message)
    this.code = code
  }
}
