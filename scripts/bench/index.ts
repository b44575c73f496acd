/** `npm run bench [kernel|models|log|server|tools|permission|run]`: every figure that Graft promises, measured here and now. */
import { apiFigures } from "./api.ts"
import { kernelFigures } from "./kernel.ts"
import { logFigures } from "./log.ts"
import { modelFigures } from "./models.ts"
import { permissionFigures } from "./permission.ts"
import { runFigures } from "./run.ts"
import { serverFigures } from "./server.ts"
import { print } from "./table.ts"
import { toolFigures } from "./tools.ts"

const [only] = process.argv.slice(2)
if (only === undefined || only === "kernel") print("The kernel", await kernelFigures())
if (only === undefined || only === "models") print("The models", await modelFigures())
if (only === undefined || only === "log") print("The log", await logFigures())
if (only === undefined || only === "server") print("The server", [...(await serverFigures()), ...(await apiFigures())])
if (only === undefined || only === "tools") print("The tools", await toolFigures())
if (only === undefined || only === "permission") print("Permission", await permissionFigures())
if (only === undefined || only === "run") print("A run", await runFigures())
