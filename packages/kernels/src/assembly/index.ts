/** Exports of the module. Every kernel is (arguments, from, to, scratch); `to` is exclusive. */
export { attend } from './attention'
export { packAttention, packIndex, poolGroups, roundRows, transformRows } from './cache'
export { chooseBest, indexScores } from './indexer'
export { padFloats, quantiseInputs } from './inputs'
export {
  productBf16,
  productBytes,
  productBytesFast,
  productE2m1,
  productE2m1Fast,
  productE4m3,
  productF32,
} from './product'
export {
  addRows,
  collapseStreams,
  gateRows,
  normaliseRows,
  readBytes,
  rotateRows,
  sinkhorn,
  softmaxRows,
  spreadStreams,
} from './rows'
