import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EventBoundary, splitEvents } from './event-boundary.ts'

const streams = fc.array(
  fc.constantFrom('data: a\n\n', 'event: x\ndata: {"b":1}\n\n', ': ping\r\n\r\n', 'data: é\n\n', 'x'),
  { maxLength: 12 },
)

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const points = [...new Set(at.map((i) => i % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...points].map((from, i) => bytes.subarray(from, points[i] ?? bytes.length))
}

describe('event boundary', () => {
  it('passes every byte once, in order, whatever the chunks', () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat()), (events, at) => {
        const bytes = Buffer.from(events.join(''))
        const boundary = new EventBoundary()
        const out = cut(bytes, at).flatMap((chunk) => boundary.push(chunk) ?? [])
        const rest = boundary.rest()
        assert.deepEqual(Buffer.concat(rest ? [...out, rest] : out), bytes)
        for (const piece of out) assert.match(piece.toString(), /(\n\n|\r\n\r\n)$/)
      }),
      { seed: 1 },
    )
  })

  it('splits whole events without losing a byte', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const bytes = Buffer.from(events.join(''))
        assert.deepEqual(Buffer.concat(splitEvents(bytes)), bytes)
      }),
      { seed: 2 },
    )
  })
})
