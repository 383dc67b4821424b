import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deepSeekDefinition } from './definition.ts'
import { deepSeekProfiles, servedDeepSeekModel } from './profiles.ts'
import type { DeepSeekProfileName } from './profiles.ts'

const words = (profile: DeepSeekProfileName) => {
  const { efforts } = deepSeekProfiles[profile]
  return [efforts.low, efforts.medium, efforts.high, efforts.xhigh, efforts.max]
}

const sees = (profile: DeepSeekProfileName, model: string) =>
  deepSeekDefinition(profile).addresses.chat!.dialect(model).images

describe('DeepSeek by date', () => {
  it('low became a level of its own, xhigh fell from max to high', () => {
    assert.deepEqual(words('2026-04'), ['high', 'high', 'high', 'max', 'max'])
    assert.deepEqual(words('2026-08'), ['low', 'high', 'high', 'max', 'max'])
    assert.deepEqual(words('2026-11'), ['low', 'high', 'high', 'high', 'max'])
  })

  it('images: none in April, the experiment in August, flash in November, pro never', () => {
    assert.equal(sees('2026-04', 'deepseek-v4-flash'), false)
    assert.equal(sees('2026-08', 'deepseek-v4-flash'), false)
    assert.equal(sees('2026-08', 'deepseek-v4-flash-vision-exp'), true)
    assert.equal(sees('2026-11', 'deepseek-flash'), true)
    assert.equal(sees('2026-11', 'deepseek-v4-flash'), true)
    assert.equal(sees('2026-11', 'deepseek-flash[1m]'), true)
    for (const profile of ['2026-04', '2026-08', '2026-11'] as const)
      assert.equal(sees(profile, 'deepseek-v4-pro'), false)
  })

  it('Responses exists since the end of July', () => {
    assert.equal(deepSeekDefinition('2026-04').addresses.responses, undefined)
    assert.equal(deepSeekDefinition('2026-08').addresses.responses?.path, '/responses')
  })

  it('aliases lead to what serves them, and a hostile name to itself', () => {
    const { '2026-11': now } = deepSeekProfiles
    assert.equal(servedDeepSeekModel(now, 'deepseek-v4-flash[1m]'), 'deepseek-flash')
    assert.equal(servedDeepSeekModel(now, '__proto__'), '__proto__')
  })

  it('counts cached tokens inside the input on Chat and Responses, outside on Messages', () => {
    const { addresses } = deepSeekDefinition()
    assert.deepEqual(
      [addresses.chat, addresses.messages, addresses.responses].map((address) => address!.countsCachedInInput),
      [true, false, true],
    )
  })
})
