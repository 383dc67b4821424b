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
export { publishedConstants } from './config/published-constants.ts'
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
export { madeShapes, makingOf, writeMadeModel, type MadeShape, type Making } from './checkpoint/made-model.ts'
export { randomCheckpoint, seededUniform } from './checkpoint/random-checkpoint.ts'
export { writeCheckpoint, type WriteOptions } from './checkpoint/write-checkpoint.ts'
export { smallConfig } from './config/small-configs.ts'
export { estimateDecode, type DecodeEstimate, type StoredFormat } from './efficiency/decode-probe.ts'
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
export type {
  Completion,
  CompletionEvent,
  CompletionSpan,
  Finish,
  ParsedCall,
  Problem,
  StopCause,
} from './completion/completion-event.ts'
export { CompletionMachine, type CompletionMachineOptions } from './completion/completion-machine.ts'
export { CompletionStream, type CompletionStreamOptions } from './completion/completion-stream.ts'
export { assistantMessage, parseCompletion } from './completion/parse-completion.ts'
export { loadEncodingProfile, profileFromSources } from './encoding/checkpoint-texts.ts'
export { encodeChat, encodeFillInTheMiddle, type EncodedPrompt } from './encoding/encode-chat.ts'
export type * from './encoding/messages.ts'
export { encodingFile, ownProfile, parseEncodingFile } from './encoding/own-texts.ts'
export { v4CallMarkup, type CallMarkup, type EncodingProfile } from './encoding/profile.ts'
export { dumpsPython, fromJavaScript, loadsPython, type PythonValue } from './encoding/python-json.ts'
export { callOpening } from './encoding/tool-markup.ts'
export { promptText, promptTokens, type PromptSegment } from './encoding/segments.ts'
export { bestIds, logprobsOf, logSumExp, type Logprobs, type TokenLogprob } from './sampling/log-probabilities.ts'
export { createRandom, restoreRandom, type Random } from './sampling/random.ts'
export { Sampler, type SamplerSnapshot, type TokenFilter } from './sampling/sampler.ts'
export { type SamplingOptions } from './sampling/sampling-options.ts'
export { StopMatcher, type StopReading } from './sampling/stop-matcher.ts'
export { Detokenizer } from './tokenizer/detokenizer.ts'
export { estimateErrorShare, estimateTokens } from './tokenizer/estimate.ts'
export { checkTokenizerFits } from './tokenizer/fit.ts'
export { ownCorpus } from './tokenizer/own-corpus.ts'
export { publishedSpecialIds, specialTokens, type SpecialTokenName } from './tokenizer/special-tokens.ts'
export { loadTokenizer, parseTokenizer, Tokenizer, type TokenizerFile } from './tokenizer/tokenizer.ts'
export { trainTokenizer, type TrainOptions } from './tokenizer/train.ts'
export { toGgufName, writeGguf, type GgufOptions, type GgufVocabulary } from './checkpoint/gguf.ts'
export { describeCheckpoint, verifyCheckpoint, type CheckpointDescription } from './checkpoint/describe.ts'
