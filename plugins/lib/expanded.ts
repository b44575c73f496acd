/** Values of the config with what the variables and files that they name say now; one that is not set rejects, and says where it stands. */
import type { Config } from "../config/contract.ts"

export const expanded = async (config: Pick<Config, "expand">, location: string | undefined, values: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> =>
  Object.fromEntries(await Promise.all(Object.entries(values).map(async ([name, value]) => [name, value.includes("{") ? await config.expand(value, location) : value] as const)))
