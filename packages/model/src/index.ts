/** Public surface of `model`. */
export {
  byteLengthOf,
  encodeSafetensors,
  memoryTensor,
  readSafetensors,
  type DataType,
  type StoredTensor,
} from './checkpoint/safetensors.ts'
export { memorySource, openFile, type ByteSource } from './checkpoint/byte-source.ts'
export {
  assembleCheckpoint,
  openCheckpoint,
  readFloats,
  readMatrix,
  readTable,
  type Checkpoint,
  type CheckpointOptions,
} from './checkpoint/checkpoint.ts'
export { decodeMatrix, decodeRow, floatMatrix, type Matrix } from './checkpoint/matrix.ts'
export { toOfficialName, toTransformersName } from './checkpoint/tensor-names.ts'
export {
  countParameters,
  planMainTensors,
  planPredictionTensors,
  type ParameterCounts,
  type PlannedTensor,
} from './checkpoint/tensor-plan.ts'
export type * from './config/model-config.ts'
export { parseConfig, readConfig, toOfficialConfig } from './config/read-config.ts'
export { publishedShape, type ShapeName } from './config/shapes.ts'
export { ModelError, modelErrors, type ModelErrorCode, type ModelErrorEntry } from './errors.ts'
export { type Segment } from './forward/batch.ts'
export { Model, type ForwardOptions, type ModelOptions, type SegmentResult } from './forward/model.ts'
export { predict } from './forward/prediction.ts'
export { numericModes, type NumericMode } from './forward/run.ts'
export { SequenceState, type LayerSnapshot, type RowStorage, type StateSnapshot } from './forward/state.ts'
export { Tally, type Work } from './forward/tally.ts'
export { loadWeights, type ModelWeights } from './forward/weights.ts'
export { convertCheckpoint, toTransformersTensors, type StorageFormat } from './checkpoint/convert.ts'
export { randomCheckpoint, seededUniform } from './checkpoint/random-checkpoint.ts'
export { writeCheckpoint, type WriteOptions } from './checkpoint/write-checkpoint.ts'
export { smallConfig } from './config/small-configs.ts'
export { groupedQueryBytesPerToken, v32BytesPerToken, v32Operations } from './efficiency/baselines.ts'
export { measureSequence, type LayerKindCost, type SequenceCost } from './efficiency/measure.ts'
export {
  efficiencyPage,
  measureEfficiency,
  millionTokens,
  renderEfficiency,
  type ShapeEfficiency,
} from './efficiency/report.ts'
export { weigh, weightedShare, weightings, type Weighting } from './efficiency/weightings.ts'
