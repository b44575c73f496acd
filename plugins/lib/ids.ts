/** Ids that nobody made before: sortable by creation (milliseconds in base 36), then chance. */
import { randomBytes } from "node:crypto"

export const newId = (prefix: string): string => `${prefix}_${Date.now().toString(36).padStart(9, "0")}${randomBytes(7).toString("hex")}`
