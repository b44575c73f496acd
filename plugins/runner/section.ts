/** `recovery` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

export const section: ConfigSection = {
  id: "recovery",
  schema: v.strictObject({ billingOnly: v.optional(v.picklist(["ask", "auto"])) }),
  description: 'What becomes of a request that may have been sent when the process died, where sending it again costs nothing but money: "ask" (default) waits for your word, "auto" sends it again, once.',
  live: "now",
  safe: false,
}
