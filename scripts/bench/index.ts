/** `npm run bench [kernel|run]`: every figure that Graft promises, measured here and now. */
import { kernelFigures } from "./kernel.ts"
import { runFigures } from "./run.ts"
import { print } from "./table.ts"

const [only] = process.argv.slice(2)
if (only !== "run") print("The kernel", await kernelFigures())
if (only !== "kernel") print("A run", await runFigures())
