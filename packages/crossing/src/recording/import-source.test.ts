import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { importers } from '../importers/index.ts'
import { importSessions } from './import-sessions.ts'
import { openImport, type ImportFile } from './import-source.ts'
import { RecordingRoom } from './recorder.test-support.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-import-'))
after(() => rmSync(folder, { recursive: true }))

function fileOf(text: string): ImportFile {
  const path = join(folder, 'file')
  writeFileSync(path, text)
  return openImport(path)
}

describe('a file to import', () => {
  it('gives its lines as they stand, with one or many blocks between their ends, as often as they are asked for', () => {
    for (const lines of [[''], ['a'], ['a', ''], ['', 'ü'.repeat(700_000), 'b', 'c'.repeat(2_500_000)], ['x\r', 'y']]) {
      const source = fileOf(lines.join('\n'))
      const expected = lines.at(-1) === '' ? lines.slice(0, -1) : lines
      assert.deepEqual([...source.lines()], expected)
      assert.deepEqual([...source.lines()], expected)
      assert.equal(source.whole(), lines.join('\n'))
      assert.equal(source.hash(), `sha256:${createHash('sha256').update(lines.join('\n')).digest('hex')}`)
      source.close()
    }
  })

  it('has to be a file that can be read again', () => {
    for (const path of [folder, join(folder, 'none'), '/dev/null'])
      assert.throws(() => openImport(path), { code: 'CROSSING_BAD_IMPORT', message: /Cannot import .*: it / })
  })

  it('passes through an importer line by line: a log of many megabytes is held as a few lines', () => {
    const room = new RecordingRoom()
    const padding = 'word '.repeat(4000)
    const line = (n: number): string =>
      JSON.stringify({
        messages: [
          { role: 'user', content: `${n} ${padding}` },
          { role: 'assistant', content: 'ok' },
        ],
      })
    const source = fileOf(Array.from({ length: 300 }, (_, n) => line(n)).join('\n'))
    const reading = { asked: 0, passes: 0 }
    const counted = {
      ...source,
      *lines() {
        reading.passes++
        for (const each of source.lines()) {
          reading.asked++
          yield each
        }
      },
    }
    const { exchanges, notExpressed } = importers['openai-chat']!(counted)
    assert.equal(reading.asked, 0)
    const first = exchanges[Symbol.iterator]().next()
    // The second line is read when the second exchange is wanted.
    assert.deepEqual([first.done, reading.asked], [false, 1])
    const recording = importSessions(room.recordings, {
      name: 'log',
      level: 'hashes',
      format: 'openai-chat',
      fileHash: source.hash(),
      rules: { terms: [], fields: [] },
      nowMs: 1,
      exchanges,
      notExpressed,
    })
    assert.deepEqual([recording.counts.sessions, reading.passes], [300, 3])
    source.close()
    room.close()
  })
})
