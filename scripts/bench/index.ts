/** `npm run bench`: every figure that Graft promises, measured here and now. */
import { kernelFigures } from "./kernel.ts"
import { print } from "./table.ts"

print("The kernel", await kernelFigures())
