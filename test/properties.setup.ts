/** How many examples a property is tried with, where it does not say: a share here, all of them with GRAFT_RUNS (the mutants are hunted so). */
import fc from "fast-check"

fc.configureGlobal({ numRuns: Number(process.env.GRAFT_RUNS ?? 40) })
