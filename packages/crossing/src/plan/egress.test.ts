import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import type { EgressDecision } from '../records/index.ts'
import { permitEgress, type EgressRequest } from './egress.ts'

const asked: EgressRequest = {
  processor: 'newcomer',
  inProcess: false,
  purpose: 'replay',
  data: 'redacted',
  recordedProcessors: ['incumbent'],
  nowMs: Date.UTC(2026, 10, 23),
}
const allowed: EgressDecision = {
  processor: 'newcomer',
  decision: 'allowed',
  by: 'A. Person, data protection',
  on: '2026-11-20',
  purposes: ['replay'],
  level: 'redacted',
  data: 'support chats, pseudonyms',
  until: null,
  note: null,
}
const refusedWith = (pattern: RegExp): object => ({ code: 'CROSSING_NO_EGRESS_DECISION', message: pattern })

describe('egress (law 9)', () => {
  it('refuses a new processor without a decision, and says what to write', () => {
    assert.throws(() => permitEgress([], asked), refusedWith(/`newcomer` for replay.*under `egress`.*by, on/))
  })

  it('allows what a named person decided: this processor, this purpose, this level, in time', () => {
    assert.equal(permitEgress([allowed], asked).basis, 'decision')
    assert.throws(() => permitEgress([allowed], { ...asked, processor: 'other' }), refusedWith(/`other`/))
    assert.throws(() => permitEgress([allowed], { ...asked, purpose: 'judge' }), refusedWith(/covers replay only/))
    assert.throws(() => permitEgress([allowed], { ...asked, data: 'full' }), refusedWith(/redacted data only/))
    assert.throws(() => permitEgress([{ ...allowed, until: '2026-11-22' }], asked), refusedWith(/ended on 2026-11-22/))
    assert.throws(() => permitEgress([{ ...allowed, on: '2026-12-24' }], asked), refusedWith(/future/))
    assert.throws(() => permitEgress([{ ...allowed, by: ' ' }], asked), refusedWith(/names nobody/))
    assert.equal(permitEgress([{ ...allowed, level: 'full' }], { ...asked, data: 'full' }).basis, 'decision')
  })

  it('lets a refusal win over everything, the same processor included', () => {
    const no: EgressDecision = { ...allowed, processor: 'incumbent', decision: 'refused' }
    assert.throws(() => permitEgress([no], { ...asked, processor: 'incumbent' }), refusedWith(/refused on 2026-11-20/))
    assert.throws(() => permitEgress([{ ...allowed, decision: 'refused' }, allowed], asked), refusedWith(/refused/))
  })

  it('needs no decision for data of our own, for a model in this process, and for an A/A arm', () => {
    assert.equal(permitEgress([], { ...asked, data: 'own', purpose: 'check' }).basis, 'own-data')
    assert.equal(permitEgress([], { ...asked, inProcess: true }).basis, 'in-process')
    assert.equal(permitEgress([], { ...asked, processor: 'incumbent' }).basis, 'same-processor')
    // Having answered once is no leave to read everything as a judge.
    assert.throws(() => permitEgress([], { ...asked, processor: 'incumbent', purpose: 'judge' }), refusedWith(/judge/))
  })
})
