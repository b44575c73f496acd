/** The words that have a name in the document: by it their schema, and by that the type of a client. */
import * as session from "./session.ts"
import * as setup from "./setup.ts"
import * as work from "./work.ts"

export const WIRE = { ...session, ...work, ...setup }
