/** What others ask of the HTTP face without HTTP: its document, and the token that opens it. Loaded when somebody does. */
import type { Graft } from "graft"
import type { Server } from "./contract.ts"

export const makeFace = (graft: Graft): Pick<Server, "document" | "token"> => ({
  document: async (directory) => (await import("./api/index.ts")).createApi(graft).document(directory),
  async token({ rotate = false } = {}) {
    const { Token, tokenFile } = await import("./gate/token.ts")
    const token = new Token(tokenFile(graft.kernel.host.dataDir))
    return rotate ? token.rotate() : token.value()
  },
})
