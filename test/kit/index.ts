/** `graft/testing`: what a plugin is tested with. `graft docs testing` tells how. */
export { TestClock } from "./clock.ts"
export { createTestKernel, type Answer, type TestKernel, type TestKernelOptions, type Told } from "./kernel.ts"
export { scriptedModel, SCRIPTED, type Reply, type ScriptedCall, type ScriptedFailure, type ScriptedModel, type Turn } from "./model.ts"
export { checkLaws, examine, type LawsOptions } from "./laws.ts"
export { LawsBroken, sayReport, type Broken, type Law, type LawReport } from "./report.ts"
export { readRecording, replay, type Came, type RecordedCall, type Recording, type Replayed } from "./recording.ts"
