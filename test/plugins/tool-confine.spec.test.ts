/** While another process plants links that lead out, no byte outside of the project is read or changed; a share by a seed that the failure tells, all with test:crash. */
import { expect, test } from "vitest"
import { confinement } from "../crash/confine.ts"

test.skipIf(process.platform !== "linux")("random names, random links, in a race", async () => {
  const seed = Date.now() % 100_000
  const { done, refused, wrong } = await confinement(seed, 200)
  expect(wrong, `seed ${seed}`).toEqual([])
  // It is a race: some get through, some are stopped.
  expect(Math.min(done, refused), `seed ${seed}`).toBeGreaterThan(10)
})
