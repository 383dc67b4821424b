/** Lines of a file of any size: one block and one line are held at a time. */
import { readSync } from 'node:fs'

/** Read at once. */
const blockBytes = 1 << 20

export interface FileLine {
  readonly offset: number
  /** Without its end; valid until the next one is asked for. */
  readonly line: Buffer
  /** False: the file stops here, in the middle of the line. */
  readonly ended: boolean
}

export function* fileLines(file: number): Generator<FileLine> {
  const block = Buffer.allocUnsafe(blockBytes)
  let begun: Buffer[] = []
  let offset = 0
  for (let at = 0; ;) {
    const read = readSync(file, block, 0, block.length, at)
    if (read === 0) break
    at += read
    let from = 0
    for (let end = block.indexOf(0x0a); end !== -1 && end < read; end = block.indexOf(0x0a, from)) {
      const rest = block.subarray(from, end)
      const line = begun.length === 0 ? rest : Buffer.concat([...begun, rest])
      yield { offset, line, ended: true }
      begun = []
      offset += line.length + 1
      from = end + 1
    }
    if (from < read) begun.push(Buffer.from(block.subarray(from, read)))
  }
  if (begun.length > 0) yield { offset, line: Buffer.concat(begun), ended: false }
}
