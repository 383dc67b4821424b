/**
 * Router tables of hash layers: which experts each token id visits.
 */
import { ModelError } from '../errors.ts'
import { readTable, type Checkpoint } from './checkpoint.ts'

/**
 * The table of a hash layer. A row that names an expert twice is refused: the reference would lose one of
 * the two contributions, so no trained table can hold one on purpose.
 */
export function readExpertTable(checkpoint: Checkpoint, name: string): Int32Array {
  const { routed, perToken } = checkpoint.config.experts
  const table = readTable(checkpoint, name)
  for (let start = 0; start < table.length; start += perToken) {
    for (let at = start; at < start + perToken; at++) {
      const expert = table[at]!
      if (expert < 0 || expert >= routed || table.indexOf(expert, start) !== at) {
        throw new ModelError(
          'MODEL_TENSOR_VALUE',
          `${name} row ${start / perToken} names expert ${expert}; allowed: ${perToken} different experts from 0 to ${routed - 1}.`,
          {
            tensor: name,
            row: start / perToken,
            expert,
          },
        )
      }
    }
  }
  return table
}
