import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { freezeDataset } from '../plan/index.ts'
import { chatAnswer, RecordingRoom, startMs } from '../recording/recorder.test-support.ts'
import { RecordingLibrary } from '../recording/index.ts'
import type { Case, Dataset } from '../records/index.ts'
import { AttemptJournal } from './journal.ts'
import { armAsk, armOf, noRetries, text } from './replay.test-support.ts'
import { replaySteps, type ReplayInput, type ReplayResult } from './runner.ts'

const rooms: RecordingRoom[] = []
afterEach(() => rooms.splice(0).forEach((room) => room.close()))

/** Two people, three questions each; their words are easily found again. */
function recorded(): { readonly room: RecordingRoom; readonly dataset: Dataset } {
  const room = new RecordingRoom()
  rooms.push(room)
  const { id } = room.start('full')
  for (const user of ['ada_lovelace', 'bob'])
    for (let turn = 0; turn < 3; turn++)
      room.recorder.record([
        room.captured(
          id,
          { user, messages: [{ role: 'user', content: `secret of ${user} number ${turn}` }] },
          chatAnswer({ content: `answer to ${user}` }),
        ),
      ])
  const dataset = freezeDataset(room.recordings, {
    name: 'd',
    recordingIds: [id],
    mostCases: null,
    seed: 1,
    nowMs: startMs,
  })
  assert.equal(dataset.cases.length, 6)
  return { room, dataset }
}

function replay(
  room: RecordingRoom,
  dataset: Dataset,
  journal: AttemptJournal,
  more: Partial<ReplayInput> = {},
): Promise<ReplayResult> {
  return replaySteps({
    runIdOf: (arm) => `run_${arm}`,
    arms: [
      armOf(
        'new',
        armAsk((request) => [text(`heard: ${JSON.stringify(request.items)}`)]),
      ),
    ],
    cases: dataset.cases,
    replicates: 1,
    exchangeOf: ({ sessionId, seq }) => room.recordings.exchanges(sessionId).find((each) => each.seq === seq)!,
    score: () => Promise.resolve([]),
    journal,
    seed: 1,
    concurrency: 1,
    currency: 'USD',
    spendCapNanos: null,
    retries: noRetries,
    now: () => 0,
    ...more,
  })
}

/** Whom each readable attempt is about. */
function readable(path: string, library: RecordingLibrary): readonly string[] {
  const journal = new AttemptJournal(path, 'plan-1', library.derivedKeys('attempts'))
  try {
    return [...journal.attempts].map((attempt) => /secret of (\w+)/.exec(JSON.stringify(attempt.turns))![1]!)
  } finally {
    journal.close()
  }
}

describe('erasing a subject reaches the attempts of every replay', () => {
  it('in the journal and in every copy of it, by the one key that is destroyed; others stay readable', async () => {
    const { room, dataset } = recorded()
    const path = join(room.directory, 'plan.attempts')
    const copy = join(room.directory, 'copy-elsewhere')
    const journal = new AttemptJournal(path, 'plan-1', room.recordings.derivedKeys('attempts'))
    await replay(room, dataset, journal)
    journal.close()
    copyFileSync(path, copy)
    // Words long enough that random bytes do not spell them.
    assert.ok(!/secret|ada_lovelace|heard/.test(readFileSync(path, 'latin1')), 'nothing stands in the open')
    assert.deepEqual(readable(path, room.recordings).toSorted(), [
      'ada_lovelace',
      'ada_lovelace',
      'ada_lovelace',
      'bob',
      'bob',
      'bob',
    ])

    room.recordings.erase({ keyId: 'key_a', endUser: 'ada_lovelace' }, startMs)

    // Read by somebody who has the recording key and the folder, as after a restart.
    const later = new RecordingLibrary({ directory: room.directory, vault: room.vault })
    try {
      for (const file of [path, copy]) assert.deepEqual(readable(file, later), ['bob', 'bob', 'bob'])
      const again = new AttemptJournal(path, 'plan-1', later.derivedKeys('attempts'))
      assert.deepEqual([again.size, again.erased], [3, 3])
      again.close()
      // Not under anybody else's key either: not a neighbour's, and none that the recording key alone gives.
      const [bob] = [...later.sessions(dataset.recordingIds[0]!)].filter(({ erased }) => !erased)
      const keys = [
        later.derivedKeys('attempts')(bob!.id)!,
        room.vault.derive('wrap', dataset.recordingIds[0]!),
        room.vault.derive('subject', 'key_a'),
        Buffer.alloc(32, 9),
      ]
      for (const key of keys)
        assert.throws(() => new AttemptJournal(path, 'plan-1', () => key), { code: 'CROSSING_DAMAGED' })
    } finally {
      later.close()
    }
  })

  it('at once, also for a run that is under way: it asks no more of her, and keeps nothing of her', async () => {
    const { room, dataset } = recorded()
    const path = join(room.directory, 'plan.attempts')
    const journal = new AttemptJournal(path, 'plan-1', room.recordings.derivedKeys('attempts'))
    const erase = new RecordingLibrary({ directory: room.directory, vault: room.vault })
    let asked = 0
    const result = await replay(room, dataset, journal, {
      arms: [
        armOf(
          'new',
          armAsk((request) => {
            if (asked++ === 2) erase.erase({ keyId: 'key_a', endUser: 'ada_lovelace' }, startMs)
            return [text(JSON.stringify(request.items))]
          }),
        ),
      ],
    })
    erase.close()
    journal.close()
    assert.equal(result.state, 'finished')
    assert.ok(result.all < 6 && result.all === result.done)
    assert.deepEqual(new Set(readable(path, room.recordings)), new Set(['bob']))
  })

  it('whole or not at all when the erasing process is killed: there is one key, and no list of files to go through', async () => {
    const { room, dataset } = recorded()
    const path = join(room.directory, 'plan.attempts')
    const journal = new AttemptJournal(path, 'plan-1', room.recordings.derivedKeys('attempts'))
    await replay(room, dataset, journal)
    journal.close()
    for (const [moment, left] of [
      ['before', 6],
      ['after', 3],
    ] as const) {
      const program = join(import.meta.dirname, 'killed-erasure.test-support.ts')
      const { signal } = spawnSync(process.execPath, ['--conditions=source', program, room.directory, moment])
      assert.equal(signal, 'SIGKILL')
      assert.equal(readable(path, room.recordings).length, left, moment)
    }
  })

  it('and a resumed run does not ask for her again', async () => {
    const { room, dataset } = recorded()
    const path = join(room.directory, 'plan.attempts')
    room.recordings.erase({ keyId: 'key_a', endUser: 'ada_lovelace' }, startMs)
    const journal = new AttemptJournal(path, 'plan-1', room.recordings.derivedKeys('attempts'))
    const asked: string[] = []
    const heard = (test: Case): ReturnType<ReplayInput['exchangeOf']> => {
      const exchange = room.recordings.exchanges(test.sessionId).find(({ seq }) => seq === test.seq)!
      asked.push(test.id)
      return exchange
    }
    const result = await replay(room, dataset, journal, { exchangeOf: heard })
    journal.close()
    assert.deepEqual([result.state, result.done, asked.length], ['finished', 3, 3])
  })
})
