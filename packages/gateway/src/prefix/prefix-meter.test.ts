import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrefixMeter } from './prefix-meter.ts'
import { promptUnits } from './units.ts'

const system = { role: 'system', content: 'You are terse.' }
const user = (content: unknown): unknown => ({ role: 'user', content })
const assistant = (content: string): unknown => ({ role: 'assistant', content })
const units = (...messages: unknown[]) => promptUnits('chat', { messages })

describe('prefix meter', () => {
  it('says nothing about the first request of a conversation', () => {
    const meter = new PrefixMeter()
    const turn = units(system, user('hi'))
    assert.equal(meter.observe('s', turn, turn), null)
  })

  it('reports the whole prefix kept when a turn extends the one before', () => {
    const meter = new PrefixMeter()
    const one = units(system, user('hi'))
    const two = units(system, user('hi'), assistant('yes?'), user('time?'))
    meter.observe('s', one, one)
    const reading = meter.observe('s', two, two)
    assert.equal(reading?.breakCause, null)
    assert.equal(reading?.keptBytes, reading?.totalBytes)
  })

  it('names the message that the client changed', () => {
    const meter = new PrefixMeter()
    const one = units(system, user('hi'), assistant('yes?'), user('time?'))
    const two = units(system, user('hi'), assistant('YES?'), user('time?'), assistant('noon'), user('thanks'))
    meter.observe('s', one, one)
    const reading = meter.observe('s', two, two)
    assert.equal(reading?.breakCause, 'client: messages[2] (assistant) changed')
    assert.ok(reading.keptBytes > 0 && reading.keptBytes < reading.totalBytes)
  })

  it('blames the gateway when the client kept its history and the upstream prompt did not', () => {
    const meter = new PrefixMeter()
    const one = units(system, user('hi'))
    const two = units(system, user('hi'), { role: 'system', content: 'later' }, user('x'))
    const hoisted = units(system, { role: 'system', content: 'later' }, user('hi'), user('x'))
    meter.observe('s', one, one)
    assert.equal(
      meter.observe('s', two, hoisted)?.breakCause,
      'gateway: messages[1] (system) was put before messages[1] (user)',
    )
  })

  it('finds a break at the very first unit, where a changed system prompt costs everything', () => {
    const meter = new PrefixMeter()
    const one = units(system, user('hi'), assistant('a'), user('b'))
    const two = units(
      { role: 'system', content: 'Now 12:01.' },
      user('hi'),
      assistant('a'),
      user('b'),
      assistant('c'),
      user('d'),
    )
    meter.observe('s', one, one)
    assert.equal(meter.observe('s', two, two)?.keptBytes, 0)
  })

  it('keeps a title request and the main line of one session apart', () => {
    const meter = new PrefixMeter()
    const main = units(system, user('hi'))
    const title = units({ role: 'system', content: 'Make a title.' }, user('title for: hi'))
    meter.observe('s', main, main)
    assert.equal(meter.observe('s', title, title), null)
    const next = units(system, user('hi'), assistant('a'), user('b'))
    assert.equal(meter.observe('s', next, next)?.breakCause, null)
  })

  it('takes a string and one text block as the same text, and cache marks as no text (Claude Code moves both)', () => {
    const meter = new PrefixMeter()
    const one = promptUnits('messages', {
      system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral' } }],
      messages: [user([{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }])],
    })
    const two = promptUnits('messages', { system: 'S', messages: [user('hi'), assistant('a'), user('b')] })
    meter.observe('s', one, one)
    assert.equal(meter.observe('s', two, two)?.breakCause, null)
  })

  it('tells apart what differs in role, in a further member or in a second block only', () => {
    const digests = [
      user('hi'),
      assistant('hi'),
      { role: 'user', content: 'hi', name: 'ada' },
      user([{ type: 'text', text: 'hi', citations: [] }]),
      user([
        { type: 'text', text: 'hi' },
        { type: 'text', text: '' },
      ]),
      user([{ type: 'image', text: 'hi' }]),
      user(null),
    ].map((message) => units(message)[0]!.digest)
    assert.equal(new Set(digests).size, digests.length)
  })

  it('remembers a bounded number of conversations', () => {
    const meter = new PrefixMeter(3)
    const turn = units(user('hi'))
    for (let i = 0; i < 100; i++) meter.observe(`s${i}`, turn, turn)
    assert.equal(meter.sessions, 3)
  })
})
