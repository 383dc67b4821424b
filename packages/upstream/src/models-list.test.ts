import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamError } from './errors.ts'
import { parseModelList } from './models-list.ts'

const ids = (body: unknown) => parseModelList(body).models.map(({ id }) => id)

describe('lists of models', () => {
  it('OpenAI dialect, as DeepSeek answers', () => {
    const body = {
      object: 'list',
      data: [
        { id: 'deepseek-flash', object: 'model', owned_by: 'deepseek' },
        { id: 'deepseek-v4-pro', object: 'model', created: 1_790_000_000 },
      ],
    }
    const { models, nextAfterId } = parseModelList(body)
    assert.deepEqual(models[0], {
      id: 'deepseek-flash',
      displayName: null,
      createdSec: null,
      ownedBy: 'deepseek',
      contextTokens: null,
      maxOutputTokens: null,
    })
    assert.equal(models[1]!.createdSec, 1_790_000_000)
    assert.equal(nextAfterId, null)
  })

  it('Messages dialect, with limits and a next page', () => {
    const body = {
      data: [
        {
          id: 'claude-x',
          type: 'model',
          display_name: 'X',
          created_at: '2026-09-01T00:00:00Z',
          max_input_tokens: 1_000_000,
          max_tokens: 128_000,
        },
      ],
      has_more: true,
      last_id: 'claude-x',
    }
    const { models, nextAfterId } = parseModelList(body)
    assert.deepEqual(models[0], {
      id: 'claude-x',
      displayName: 'X',
      createdSec: 1_788_220_800,
      ownedBy: null,
      contextTokens: 1_000_000,
      maxOutputTokens: 128_000,
    })
    assert.equal(nextAfterId, 'claude-x')
  })

  it('vLLM names its window', () => {
    assert.equal(parseModelList({ data: [{ id: 'm', max_model_len: 131_072 }] }).models[0]!.contextTokens, 131_072)
  })

  it('bare arrays, `models`, names as strings; doubles once, nonsense not at all', () => {
    assert.deepEqual(ids(['a', 'b', 'a']), ['a', 'b'])
    assert.deepEqual(ids({ models: [{ name: 'a' }, { model: 'b' }, {}, null, 7, { id: '' }] }), ['a', 'b'])
    assert.deepEqual(ids({ data: [] }), [])
  })

  it('a list with a page mark that is no mark is complete', () => {
    assert.equal(parseModelList({ data: [], has_more: true, last_id: 7 }).nextAfterId, null)
  })

  for (const body of [null, undefined, 'html', 7, {}, { error: { message: 'no' } }, { data: {} }])
    it(`${JSON.stringify(body)} is not a list`, () => {
      assert.throws(
        () => parseModelList(body),
        (error) => error instanceof UpstreamError && error.code === 'UPSTREAM_BAD_MODEL_LIST',
      )
    })

  it('reads no more than it must of an endless list', () => {
    assert.equal(ids(Array.from({ length: 20_000 }, (_, at) => `m${at}`)).length, 10_000)
  })
})
