/** Recording: what a gateway calls, and what reads recordings afterwards. */
export { exportBundle, readBundle, type BundleResult } from './bundle.ts'
export type { CapturedExchange } from './captured.ts'
export { openImport, type ImportFile, type ImportSource } from './import-source.ts'
export { importSessions, type ImportedTraffic, type ImportInput } from './import-sessions.ts'
export {
  RecordingLibrary,
  type ErasureResult,
  type ErasureTarget,
  type LibraryOptions,
  type NewRecording,
} from './library.ts'
export { LiveRecorder, type LiveRecorderOptions } from './live-recorder.ts'
export { promptShape } from './prompt-shape.ts'
export { isFieldPath, type FieldRule, type RedactionRules } from './redaction/redactor.ts'
export { byArrival, timelineOf, type TimedExchange } from './timeline.ts'
export { toolEventsOf } from './tool-events.ts'
export { Vault } from './vault.ts'
