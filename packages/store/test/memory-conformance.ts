/** What every reasoning memory must do. `bounds` as given to the memory under test. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { MemoryBounds, ReasoningMemory } from '@portolan/store'

const call = { family: 'deepseek', reasoning: 'First look at the file. 雪', argumentsText: '{"a": 1 }' }

export function memoryConformance(open: (bounds: MemoryBounds) => ReasoningMemory | Promise<ReasoningMemory>): void {
  const bounds = { maxRows: 100, maxAgeMs: 10_000, maxCallBytes: 10_000 }

  it('gives back what was put, byte for byte', async () => {
    const memory = await open(bounds)
    await memory.put('call_1', 'key_a', call, 0)
    await memory.put('call_2', 'key_a', { ...call, argumentsText: null }, 0)
    assert.deepEqual(await memory.get('call_1', 'key_a', 1), call)
    assert.deepEqual(await memory.get('call_2', 'key_a', 1), { ...call, argumentsText: null })
    assert.equal(await memory.get('call_3', 'key_a', 1), null)
  })

  it('never crosses tenants, even for equal call ids', async () => {
    const memory = await open(bounds)
    await memory.put('call_1', 'key_a', call, 0)
    assert.equal(await memory.get('call_1', 'key_b', 1), null)
    await memory.put('call_1', 'key_b', { ...call, reasoning: 'other' }, 0)
    assert.deepEqual(await memory.get('call_1', 'key_a', 1), call)
  })

  it('replaces a call that is put again', async () => {
    const memory = await open(bounds)
    await memory.put('call_1', 'key_a', call, 0)
    await memory.put('call_1', 'key_a', { ...call, reasoning: 'newer' }, 1)
    assert.equal((await memory.get('call_1', 'key_a', 2))?.reasoning, 'newer')
  })

  it('forgets by age', async () => {
    const memory = await open(bounds)
    await memory.put('call_1', 'key_a', call, 0)
    assert.notEqual(await memory.get('call_1', 'key_a', 9_999), null)
    const other = await open(bounds)
    await other.put('call_1', 'key_a', call, 0)
    assert.equal(await other.get('call_1', 'key_a', 10_000), null)
  })

  it('does not remember a call beyond the size bound', async () => {
    const memory = await open(bounds)
    await memory.put('call_1', 'key_a', { ...call, reasoning: 'x'.repeat(20_000) }, 0)
    assert.equal(await memory.get('call_1', 'key_a', 1), null)
  })

  it('forgets the least recently used beyond the row bound', async () => {
    const day = 86_400_000
    const memory = await open({ ...bounds, maxAgeMs: day })
    for (let index = 0; index < 100; index++) await memory.put(`call_${index}`, 'key_a', call, index)
    assert.notEqual(await memory.get('call_0', 'key_a', 100_000), null)
    for (let index = 100; index < 292; index++) await memory.put(`call_${index}`, 'key_a', call, 100_000 + index)
    for (const gone of [1, 50, 99]) assert.equal(await memory.get(`call_${gone}`, 'key_a', 200_000), null)
    assert.notEqual(await memory.get('call_291', 'key_a', 200_000), null)
  })
}
