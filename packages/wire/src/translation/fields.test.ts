/** The field table says what the code does: every sample goes through the real adapters. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { ProtocolAdapter } from '../canonical/adapter.ts'
import { chatAdapter } from '../chat/adapter.ts'
import { WireError } from '../errors.ts'
import { messagesAdapter } from '../messages/adapter.ts'
import type { Protocol } from '../protocol.ts'
import { responsesAdapter } from '../responses/adapter.ts'
import { createSealer } from '../seal/sealer.ts'
import { renderTranslationReference } from './document.ts'
import type { FieldRow } from './field-row.ts'
import { translationFields } from './fields.ts'
import { referenceDialects, type ReferenceTarget } from './reference-dialects.ts'
import { TranslationReport } from './report.ts'

const adapters: Record<Protocol, ProtocolAdapter> = {
  chat: chatAdapter,
  messages: messagesAdapter,
  responses: responsesAdapter,
}
const sealer = createSealer(new Uint8Array(32).fill(5))
const ours = sealer.seal({ family: 'open', reasoning: 'because', toolArguments: {} })
const hi = [{ role: 'user', content: 'hi' }]
const minimal: Record<Protocol, Record<string, unknown>> = {
  chat: { model: 'm', messages: hi },
  messages: { model: 'm', max_tokens: 100, messages: hi },
  responses: { model: 'm', input: hi },
}
const targets: readonly ReferenceTarget[] = ['open-chat', 'vendor-chat', 'messages', 'responses']

type Outcome = { body: Record<string, unknown>; report: TranslationReport } | { refused: WireError }

function translate(from: Protocol, target: ReferenceTarget, body: Record<string, unknown>): Outcome {
  const report = new TranslationReport()
  const dialect = referenceDialects[target]
  const text = JSON.stringify(body).replaceAll('$OURS', ours)
  try {
    const request = adapters[from].toCanonicalRequest(JSON.parse(text), {
      messagesVersion: '2023-06-01',
      sealer,
      text,
      report,
    })
    const context = { dialect, model: 'up', report, recall: () => null }
    return { body: adapters[dialect.protocol].fromCanonicalRequest(request, context).body, report }
  } catch (error) {
    if (error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY') return { refused: error }
    throw error
  }
}

function member(body: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], body)
}

function check(row: FieldRow, target: ReferenceTarget): void {
  const cell = row.to[target]
  assert.ok(cell, 'the row has a cell for this upstream')
  const before = translate(row.from, target, { ...minimal[row.from], ...row.base })
  const after = translate(row.from, target, { ...minimal[row.from], ...row.base, ...row.sample })
  if (cell.decision === 'refused') {
    assert.ok('refused' in after, 'the request is refused')
    assert.ok(after.refused.field, 'the refusal names the field')
    return
  }
  assert.ok('body' in before && 'body' in after, 'the request is taken')
  const header = after.report.header() ?? ''
  const arrives = row.marker === null || JSON.stringify(after.body).includes(row.marker)
  const named = header.includes('dropped=')
  if (cell.decision === 'dropped') {
    assert.equal(named, !cell.quiet, header)
    if (cell.quiet) assert.ok(!arrives || isDeepStrictEqual(before.body, after.body), 'nothing of it arrives')
    return
  }
  assert.ok(!named, header)
  assert.ok(arrives, 'the field arrives')
  if (cell.decision === 'carried') assert.doesNotMatch(header, /emulated/)
  else if (cell.as === null) assert.match(header, /emulated/)
  if (cell.as !== null) assert.notDeepEqual(member(after.body, cell.as), member(before.body, cell.as), cell.as)
}

describe('the field table', () => {
  for (const row of translationFields)
    it(`is true of ${row.from} ${row.field}`, () => {
      for (const target of targets) if (referenceDialects[target].protocol !== row.from) check(row, target)
    })

  it('has every field once', () => {
    const names = translationFields.map((row) => `${row.from} ${row.field}`)
    assert.equal(new Set(names).size, names.length)
  })

  it('is rendered whole', () => {
    const text = renderTranslationReference()
    const rows = text
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| field') && !line.startsWith('| ---'))
    assert.equal(rows.length, translationFields.length)
    assert.match(text, /\| `max_completion_tokens` \| carried as `max_tokens` \| carried as `max_output_tokens` \|/)
  })
})
