/** A recorder over a folder of its own, and conversations to feed it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer } from '@portolan/wire'
import { unknownUsage } from '@portolan/meter'
import { plainRow, type LedgerRow } from '@portolan/store'
import type { Recording } from '../records/index.ts'
import type { CapturedExchange } from './captured.ts'
import { databaseName, RecordingLibrary, type NewRecording } from './library.ts'
import { Recorder, type RecorderOptions } from './recorder.ts'
import { RecordingsDatabase } from './sqlite/recordings-database.ts'
import { Vault } from './vault.ts'

export const startMs = Date.UTC(2026, 10, 1)

export class RecordingRoom {
  readonly directory = mkdtempSync(join(tmpdir(), 'portolan-recording-'))
  readonly vault = new Vault(Buffer.alloc(32, 9))
  readonly recordings = new RecordingLibrary({ directory: this.directory, vault: this.vault })
  readonly database = new RecordingsDatabase(join(this.directory, databaseName))
  readonly recorder: Recorder
  #requests = 0

  constructor(options: Partial<RecorderOptions> = {}) {
    this.recorder = new Recorder({
      directory: this.directory,
      database: this.database,
      vault: this.vault,
      sealer: createSealer(Buffer.alloc(32, 3)),
      rules: { terms: [], fields: [] },
      maxBytes: null,
      ...options,
    })
  }

  start(level: Recording['level'], more: Partial<NewRecording> = {}): Recording {
    return this.recordings.start(
      {
        name: level,
        level,
        keyIds: [],
        sampling: { probability: 1, strata: [] },
        retentionDays: null,
        source: { kind: 'live' },
        notExpressed: [],
        ...more,
      },
      startMs,
    )
  }

  /** One Chat exchange as the door hands it over. */
  captured(
    recordingId: string,
    body: Record<string, unknown>,
    answer: string | null,
    row: Partial<LedgerRow> = {},
  ): CapturedExchange {
    const requestId = row.requestId ?? `req_${this.#requests++}`
    const bytes = Buffer.from(JSON.stringify({ model: 'model-a', ...body }))
    return {
      recordingId,
      row: { ...emptyRow, requestId, startedAtMs: startMs + this.#requests * 1000, bytesIn: bytes.length, ...row },
      atMost: null,
      door: 'chat',
      messagesVersion: '2023-06-01',
      body: bytes,
      answer: answer === null ? null : { kind: 'body', protocol: 'chat', text: answer },
      clientSession: null,
    }
  }

  close(): void {
    this.recorder.close()
    this.database.close()
    this.recordings.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function chatAnswer(message: Record<string, unknown>): string {
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'model-a',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', ...message },
        finish_reason: 'tool_calls' in message ? 'tool_calls' : 'stop',
      },
    ],
    usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
  })
}

export const emptyRow = plainRow({
  requestId: 'req',
  keyId: 'key_a',
  door: 'chat',
  path: '/v1/chat/completions',
  upstream: 'supplier',
  upstreamProtocol: 'chat',
  modelAsked: 'model-a',
  modelSent: 'model-a',
  modelServed: 'model-a',
  httpStatus: 200,
  usage: {
    ...unknownUsage,
    inputTokens: 100,
    hitTokens: 0,
    missTokens: 100,
    writtenTokens: 0,
    written1hTokens: 0,
    outputTokens: 10,
    source: 'reported',
    convention: 'cached-inside',
  },
  currency: 'USD',
  costNanos: 1_234_567n,
  priceVersion: 'test/1',
  startedAtMs: startMs,
  firstByteMs: 10,
  firstTextMs: 12,
  endMs: 20,
})
