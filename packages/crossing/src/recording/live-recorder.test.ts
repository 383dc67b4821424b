import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LiveRecorder } from './live-recorder.ts'
import { chatAnswer, RecordingRoom, startMs } from './recorder.test-support.ts'

const body = (text: string): Record<string, unknown> => ({ messages: [{ role: 'user', content: text }] })

function liveIn(room: RecordingRoom, troubles: string[] = [], maxBytes: number | null = null): LiveRecorder {
  return new LiveRecorder({
    directory: room.directory,
    recordingKey: Buffer.alloc(32, 9),
    sealKey: Buffer.alloc(32, 3),
    rules: { terms: [], fields: [] },
    maxBytes,
    now: () => startMs,
    onTrouble: (message) => troubles.push(message),
    pollMs: 20,
    mostInFlight: 150,
  })
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(holds(), 'did not come about within two seconds')
}

describe('the live recorder', () => {
  it('follows start and stop by another process, and records what it was offered', async () => {
    const room = new RecordingRoom()
    const live = liveIn(room)
    try {
      assert.equal(live.wants('key_a'), null)
      const { id } = room.start('full', { keyIds: ['key_a'] })
      await until(() => live.wants('key_a') === id)
      assert.equal(live.wants('key_b'), null)
      for (let i = 0; i < 50; i++) live.offer(room.captured(id, body(`q${i}`), chatAnswer({ content: 'a' })))
      live.declined(id)
      await live.settled()
      room.recordings.stop(id, startMs + 1)
      await until(() => live.wants('key_a') === null)
      await live.close()
      const { counts } = room.recordings.recording(id)
      assert.deepEqual([counts.exchanges, counts.declined, counts.dropped], [50, 1, 0])
    } finally {
      await live.close()
      room.close()
    }
  })

  it('drops and counts when it cannot keep up, and when its folder is full; nothing throws or waits', async () => {
    const room = new RecordingRoom()
    const troubles: string[] = []
    const live = liveIn(room, troubles, 1)
    try {
      const { id } = room.start('full')
      await until(() => live.wants('any') === id)
      const offered = 1000
      const started = performance.now()
      for (let i = 0; i < offered; i++) live.offer(room.captured(id, body(`q${i}`), null))
      assert.ok(performance.now() - started < 1500)
      await live.settled()
      await live.close()
      const { counts } = room.recordings.recording(id)
      assert.equal(counts.dropped, offered)
      assert.ok(
        counts.droppedBy['queue-full']! > 0 && counts.droppedBy['folder-full']! > 0,
        JSON.stringify(counts.droppedBy),
      )
      assert.equal(troubles.length, 1)
    } finally {
      await live.close()
      room.close()
    }
  })

  it('survives a folder that is destroyed under it', async () => {
    const room = new RecordingRoom()
    const troubles: string[] = []
    const { id } = room.start('full')
    const live = liveIn(room, troubles)
    try {
      // Segments cannot be made: a file stands where their folder should be.
      rmSync(join(room.directory, 'segments'), { recursive: true, force: true })
      writeFileSync(join(room.directory, 'segments'), '')
      await until(() => live.wants('any') === id)
      live.offer(room.captured(id, body('q'), null))
      await live.settled()
      await live.close()
      assert.deepEqual(room.recordings.recording(id).counts.droppedBy, { 'storage-failed': 1 })
      assert.equal(troubles.length, 1)
    } finally {
      await live.close()
      room.close()
    }
  })
})
