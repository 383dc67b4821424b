import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { encodeChat } from '../encoding/encode-chat.ts'
import { ownProfile } from '../encoding/own-texts.ts'
import { promptText, promptTokens } from '../encoding/segments.ts'
import { ownCorpus } from '../tokenizer/own-corpus.ts'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { trainTokenizer } from '../tokenizer/train.ts'
import type { CompletionEvent } from './completion-event.ts'
import { CompletionStream } from './completion-stream.ts'
import type { CompletionStreamOptions } from './completion-stream.ts'

const tokenizer = new Tokenizer(trainTokenizer(ownCorpus(5, 150), { vocabularySize: 600 }))
const call =
  '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_depth">\n<｜DSML｜parameter name="bay" string="true">港 STOP</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>'

function run(
  text: string,
  options: Omit<CompletionStreamOptions, 'tokenizer'>,
): { stream: CompletionStream; events: CompletionEvent[]; left: number } {
  const stream = new CompletionStream({ tokenizer, ...options })
  const events: CompletionEvent[] = []
  const ids = tokenizer.encodeTrusted(text)
  while (ids.length > 0 && !stream.isDone) events.push(...stream.push(ids.shift()!))
  events.push(...stream.finish(stream.isDone ? 'stop' : 'length'))
  return { stream, events, left: ids.length }
}

describe('completion stream', () => {
  it('turns token ids into reasoning, text and calls, and stops at the end token', () => {
    const { stream, events, left } = run(`Hm 😀.</think>Look 港.${call}${specialTokens.endOfSentence}never`, {
      opens: 'reasoning',
    })
    const result = stream.result()
    assert.deepEqual(
      [result.reasoning, result.text, result.calls[0]!.argumentsText],
      ['Hm 😀.', 'Look 港.', '{"bay": "港 STOP"}'],
    )
    assert.equal(result.rawCalls, call)
    assert.equal(left > 0, true)
    assert.equal(
      events.every((event) => !('text' in event) || event.text.isWellFormed()),
      true,
    )
    assert.deepEqual(events.at(-1), { type: 'end', finish: 'tool-calls', problems: [] })
  })

  it('counts tokens: all of them, and those of the reasoning with its closing tag', () => {
    const { stream } = run(`Hm.</think>Yes.${specialTokens.endOfSentence}`, { opens: 'reasoning' })
    assert.equal(stream.reasoningTokens, tokenizer.count('Hm.') + 1)
    assert.equal(stream.outputTokens, stream.reasoningTokens + tokenizer.count('Yes.') + 1)
    assert.equal(run('Yes.', { opens: 'text' }).stream.reasoningTokens, 0)
  })

  it('ends the text at a stop string across tokens, but not inside reasoning or arguments', () => {
    const { stream, events } = run('STOP it</think>One S', { opens: 'reasoning', stops: ['STOP'] })
    assert.equal(stream.stopString, null)
    assert.equal(stream.result().text, 'One S')
    assert.deepEqual(events.at(-1), { type: 'end', finish: 'length', problems: [] })
    const stopped = run(`One, STOP two${call}`, { opens: 'text', stops: ['STOP', ' two'] })
    assert.equal(stopped.stream.stopString, 'STOP')
    assert.equal(stopped.stream.result().text, 'One, ')
    assert.deepEqual(stopped.events.at(-1), { type: 'end', finish: 'stop-string', problems: [] })
    assert.equal(stopped.events.filter((event) => event.type === 'end').length, 1)
    assert.equal(run(call, { opens: 'text', stops: ['STOP'] }).stream.result().calls[0]!.complete, true)
  })

  it('shows text held back for a stop string before the call that follows it', () => {
    const { events } = run(`Look ST${call}`, { opens: 'text', stops: ['STOP'] })
    const order = events.map((event) => event.type).filter((type, index, all) => type !== all[index - 1])
    assert.deepEqual(order, ['text-delta', 'tool-call-start', 'tool-call-delta', 'tool-call-end', 'end'])
  })

  it('goes on from a call that the prompt has begun', () => {
    const request = {
      mode: 'chat',
      messages: [{ role: 'user', content: 'Q' }],
      tools: [{ schema: { name: 'tide' } }],
    } as const
    const named = encodeChat({ ...request, forceCall: { name: 'tide' } }, ownProfile)
    assert.equal(promptText(named.segments).endsWith(named.begun), true)
    assert.equal(tokenizer.decode(promptTokens(named.segments, tokenizer)), promptText(named.segments))
    const { stream, events } = run(`\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>`, {
      opens: named.opens,
      begun: named.begun,
    })
    assert.deepEqual(events[0], { type: 'tool-call-start', index: 0, name: 'tide' })
    assert.deepEqual(stream.result().calls, [{ name: 'tide', argumentsText: '{}', complete: true }])
    const any = encodeChat({ ...request, forceCall: { name: null } }, ownProfile)
    assert.equal(
      run(`tide">\n</｜DSML｜invoke>`, { opens: any.opens, begun: any.begun }).stream.result().calls[0]!.name,
      'tide',
    )
    assert.equal(encodeChat({ ...request, mode: 'thinking', forceCall: { name: null } }, ownProfile).begun, '')
  })

  it('has one end, whatever comes after', () => {
    const { stream } = run('a STOP b', { opens: 'text', stops: ['STOP'] })
    assert.deepEqual([stream.push(5), stream.finish('stop')], [[], []])
  })
})
