import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { encodeChat } from '../encoding/encode-chat.ts'
import { ownProfile } from '../encoding/own-texts.ts'
import type { AssistantMessage, ChatMessage } from '../encoding/messages.ts'
import { promptText } from '../encoding/segments.ts'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import type { CompletionEvent } from './completion-event.ts'
import { CompletionMachine } from './completion-machine.ts'
import { assistantMessage, parseCompletion } from './parse-completion.ts'

const END = specialTokens.endOfSentence
const OPEN = '\n\n<｜DSML｜tool_calls>\n'
const CLOSE = '\n</｜DSML｜tool_calls>'
const parameter = (key: string, isString: boolean, value: string): string =>
  `<｜DSML｜parameter name="${key}" string="${isString}">${value}</｜DSML｜parameter>`
const invoke = (name: string, ...parameters: string[]): string =>
  `<｜DSML｜invoke name="${name}">\n${parameters.join('\n')}\n</｜DSML｜invoke>`
const block = (...calls: string[]): string => OPEN + calls.join('\n') + CLOSE

/** Feeds one character at a time, the hardest way. */
function stream(text: string, opens: 'reasoning' | 'text', cause: 'stop' | 'length' = 'stop'): CompletionEvent[] {
  const machine = new CompletionMachine({ opens })
  return [...Array.from({ length: text.length }, (_, at) => machine.push(text[at]!)).flat(), ...machine.finish(cause)]
}

const textOf = (events: readonly CompletionEvent[]): string =>
  events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')

describe('completion', () => {
  it('divides into reasoning, text and calls', () => {
    const completion = parseCompletion(
      `Let me look.</think>One moment.${block(invoke('depth', parameter('bay', true, 'north'), parameter('n', false, '1.0')))}${END}`,
      { opens: 'reasoning' },
    )
    assert.equal(completion.reasoning, 'Let me look.')
    assert.equal(completion.text, 'One moment.')
    assert.deepEqual(completion.calls, [{ name: 'depth', argumentsText: '{"bay": "north", "n": 1.0}', complete: true }])
    assert.equal(completion.finish, 'tool-calls')
    assert.deepEqual(completion.problems, [])
  })

  it('shows text as soon as it can be no tag', () => {
    const machine = new CompletionMachine({ opens: 'text' })
    assert.deepEqual(machine.push('5 < 6\n'), [{ type: 'text-delta', text: '5 < 6' }])
    assert.deepEqual(machine.push('\n<'), [])
    assert.deepEqual(machine.push('b>'), [{ type: 'text-delta', text: '\n\n<b>' }])
  })

  it('never lets a fragment of a tag into the text (vllm#40800, vllm#40801)', () => {
    const text = `Sure.${block(invoke('tide'))}${END}`
    assert.equal(textOf(stream(text, 'text')), 'Sure.')
    for (let length = 0; length < text.length; length++) {
      const machine = new CompletionMachine({ opens: 'text' })
      const shown = textOf([...machine.push(text.slice(0, length)), ...machine.finish('length')])
      assert.equal(shown.includes('DSML'), false, `cut at ${length}`)
    }
  })

  it('starts clean each time: one machine is one completion', () => {
    const first = new CompletionMachine({ opens: 'text' })
    first.push(`${OPEN}<｜DSML｜invoke name="f`)
    first.finish('length')
    assert.equal(parseCompletion('plain', { opens: 'text' }).text, 'plain')
    assert.deepEqual(first.push('more'), [])
    assert.deepEqual(first.finish('stop'), [])
  })

  it('streams string arguments while they are written, escaped as JSON', () => {
    const machine = new CompletionMachine({ opens: 'text' })
    machine.push(`${OPEN}<｜DSML｜invoke name="write">\n<｜DSML｜parameter name="text" string="true">a "b"\n`)
    assert.deepEqual(machine.push('c\ud83d'), [{ type: 'tool-call-delta', index: 0, argumentsDelta: 'c' }])
    assert.deepEqual(machine.push('\ude00</｜DS'), [{ type: 'tool-call-delta', index: 0, argumentsDelta: '😀' }])
    machine.push(`ML｜parameter>\n</｜DSML｜invoke>${CLOSE}`)
    machine.finish('stop')
    assert.deepEqual(machine.result().calls, [
      { name: 'write', argumentsText: '{"text": "a \\"b\\"\\nc😀"}', complete: true },
    ])
  })

  it('makes an empty object of a call without parameters', () => {
    assert.deepEqual(parseCompletion(block(invoke('tide')), { opens: 'text' }).calls, [
      { name: 'tide', argumentsText: '{}', complete: true },
    ])
  })

  it('numbers several calls in order', () => {
    const events = stream(block(invoke('a'), invoke('b', parameter('x', false, 'null'))), 'text')
    assert.deepEqual(
      events.filter((event) => event.type === 'tool-call-start'),
      [
        { type: 'tool-call-start', index: 0, name: 'a' },
        { type: 'tool-call-start', index: 1, name: 'b' },
      ],
    )
  })

  it('reads a huge piece full of tags in linear time', () => {
    const calls = Array.from({ length: 5000 }, () =>
      invoke('f', parameter('a', false, '1'), parameter('b', true, 'x'.repeat(50))),
    )
    assert.equal(parseCompletion(block(...calls), { opens: 'text' }).calls.length, 5000)
  })

  it('keeps blanks and tags that are text', () => {
    for (const text of [
      '',
      ' ',
      '\n\n',
      'a\n\n\n',
      'x </think> y',
      '<think> not at all',
      'a<｜DSML｜tool_calls>b',
      '</tool_result>',
      '<｜end',
    ]) {
      assert.equal(textOf(stream(`.${text}`, 'text')), `.${text}`)
    }
  })
})

describe('recovery', () => {
  const read = (text: string, opens: 'reasoning' | 'text', cause: 'stop' | 'length' = 'stop') => {
    const { reasoning, text: shown, calls, finish, problems } = parseCompletion(text, { opens }, cause)
    return { reasoning, text: shown, calls, finish, problems }
  }
  const half = `${OPEN}<｜DSML｜invoke name="depth">\n${parameter('bay', true, 'north')}\n<｜DSML｜parameter name="n" string="false">1`

  it('takes everything as reasoning when the thought is never closed', () => {
    assert.deepEqual(read(`I wonder${END}`, 'reasoning'), {
      reasoning: 'I wonder',
      text: '',
      calls: [],
      finish: 'stop',
      problems: ['unclosed-reasoning'],
    })
  })

  it('does not blame a thought that was cut by the limit', () => {
    assert.deepEqual(read('I wonder', 'reasoning', 'length').problems, [])
  })

  it('lets a call block end the reasoning', () => {
    const { reasoning, calls, problems } = read(`Need it.${block(invoke('tide'))}`, 'reasoning')
    assert.deepEqual(
      { reasoning, count: calls.length, problems },
      { reasoning: 'Need it.', count: 1, problems: ['calls-in-reasoning'] },
    )
  })

  it('leaves out a think tag that only repeats the prompt', () => {
    assert.equal(read('<think>hm</think>yes', 'reasoning').reasoning, 'hm')
    assert.equal(read('</think>yes', 'text').text, 'yes')
  })

  it('accepts a block after one newline, or at the very start', () => {
    assert.equal(read(`a${block(invoke('f')).slice(1)}`, 'text').calls.length, 1)
    assert.equal(read(block(invoke('f')).slice(2), 'text').calls.length, 1)
  })

  it('takes a block that begins with something else as text, byte for byte', () => {
    for (const text of [
      `x${OPEN}<b>hello</b>`,
      `x${OPEN}<｜DSML｜invoke name="">`,
      `x${OPEN}<｜DSML｜invoke names="a">`,
      `x${OPEN}<｜DSML｜invoke name="${'n'.repeat(300)}">`,
    ]) {
      const result = read(text, 'text')
      assert.equal(result.text, text)
      assert.deepEqual(result.problems, ['malformed-block'])
    }
  })

  it('never reports a call as complete whose parameter was cut off', () => {
    for (const cause of ['stop', 'length'] as const) {
      const { calls, finish } = read(half, 'text', cause)
      assert.deepEqual(calls, [{ name: 'depth', argumentsText: '{"bay": "north"', complete: false }])
      assert.equal(finish, 'length')
    }
  })

  it('believes a model that stopped without the closing tags, but not one that was stopped', () => {
    const open = `${OPEN}<｜DSML｜invoke name="depth">\n${parameter('bay', true, 'north')}\n`
    for (const tail of ['', '</', '</｜DSML｜invo', '</｜DSML｜invoke>', '</｜DSML｜invoke>\n</｜DSML｜tool']) {
      assert.equal(read(open + tail, 'text').finish, 'tool-calls', tail)
    }
    assert.equal(read(open, 'text', 'length').calls[0]!.complete, false)
    assert.equal(read(`${open}<｜DSML｜para`, 'text').calls[0]!.complete, false)
  })

  it('takes a value that is no JSON as a string', () => {
    const { calls, problems } = read(
      block(invoke('f', parameter('a', false, 'NaN'), parameter('b', false, 'soon'))),
      'text',
    )
    assert.equal(calls[0]!.argumentsText, '{"a": "NaN", "b": "soon"}')
    assert.deepEqual(problems, ['not-json'])
  })

  it('guesses the type of a parameter that does not say it', () => {
    const untyped = (key: string, value: string): string =>
      `<｜DSML｜parameter name="${key}">${value}</｜DSML｜parameter>`
    assert.equal(
      read(block(invoke('f', untyped('a', '[1]'), untyped('b', 'x y'))), 'text').calls[0]!.argumentsText,
      '{"a": [1], "b": "x y"}',
    )
  })

  it('keeps the first of two parameters of one name', () => {
    const { calls, problems } = read(block(invoke('f', parameter('a', false, '1'), parameter('a', false, '2'))), 'text')
    assert.deepEqual([calls[0]!.argumentsText, problems], ['{"a": 1}', ['duplicate-parameter']])
  })

  it('marks a call incomplete when a parameter has no readable name, and goes on with the next call', () => {
    const { calls } = read(
      block(invoke('f', '<｜DSML｜parameter string="true">x</｜DSML｜parameter>'), invoke('g')),
      'text',
    )
    assert.deepEqual(
      calls.map((call) => [call.name, call.complete]),
      [
        ['f', false],
        ['g', true],
      ],
    )
  })

  it('shows text after a block, and reads a second block', () => {
    const completion = parseCompletion(`${block(invoke('f'))}\n\nAlso: ${block(invoke('g'))}${END}`, { opens: 'text' })
    assert.equal(completion.text, 'Also: ')
    assert.equal(completion.calls.length, 2)
    assert.equal(completion.rawCalls, null)
    assert.deepEqual(completion.problems, ['text-after-calls'])
  })

  it('ignores what follows the end token, but keeps it', () => {
    const completion = parseCompletion(`yes${END}<｜User｜>and now`, { opens: 'text' })
    assert.equal(completion.text, 'yes')
    assert.deepEqual(completion.spans.at(-1), { kind: 'after-end', text: '<｜User｜>and now' })
  })
})

describe('replay', () => {
  const question: ChatMessage = { role: 'user', content: 'How deep?' }
  const write = (message: AssistantMessage): string => {
    const prompt = (messages: ChatMessage[]): string =>
      promptText(
        encodeChat({ mode: 'thinking', messages, tools: [{ schema: { name: 'depth' } }] }, ownProfile).segments,
      )
    return prompt([question, message]).slice(prompt([question]).length)
  }

  it('encode, parse, encode is stable for every shape of call', () => {
    const argumentTexts = [
      '{}',
      '{"a":"x\\ny","10":1.0,"2":[1,{"b":null}],"é":"\\u2028"}',
      'not json',
      '',
      '[1]',
      '{"n":123456789012345678901234567890,"f":1e5,"t":true}',
      '{"tag":"</think> <b>"}',
    ]
    for (const argumentsText of argumentTexts) {
      const message: AssistantMessage = {
        role: 'assistant',
        content: 'Text\n',
        reasoning: 'Hm.',
        toolCalls: [
          { name: 'depth', argumentsText },
          { name: 'tide', argumentsText: '{}' },
        ],
      }
      const first = write(message)
      const parsed = assistantMessage(parseCompletion(first, { opens: 'reasoning' }))
      assert.equal(write(parsed), first)
      assert.equal(write({ ...parsed, rawCalls: null }), first, 'also without the raw block')
    }
  })

  it('repeats a block that was sampled in another spelling, where printing it anew would not', () => {
    const sampled = `</think>Look.${OPEN}<｜DSML｜invoke name="depth">\n\n${parameter('n', false, ' [1,2]')}</｜DSML｜invoke>${CLOSE}${END}`
    const parsed = assistantMessage(parseCompletion(sampled, { opens: 'reasoning' }), ['call_1'])
    assert.equal(write(parsed), sampled)
    assert.notEqual(write({ ...parsed, rawCalls: null }), sampled)
    assert.equal(parsed.toolCalls![0]!.id, 'call_1')
  })
})
