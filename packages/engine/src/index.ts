/** Public surface of `engine`. */
export {
  defaultCheckpointName,
  defaultTokenizer,
  ensureDefaultCheckpoint,
  writeDefaultCheckpoint,
} from './default-checkpoint/default-checkpoint.ts'
