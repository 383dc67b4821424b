/**
 * Throws random completions, cut into random chunks, at the completion machine and checks its laws.
 *
 * Half of the inputs are well-formed completions with some damage, half are a soup of tags and text. As a
 * script: `node --conditions=source packages/model/src/completion/fuzz.ts 1000000 [seed]`, about two minutes
 * a million. The test runs 20,000.
 */
import assert from 'node:assert/strict'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import { createRandom } from '../sampling/random.ts'
import type { Random } from '../sampling/random.ts'
import type { Completion, CompletionEvent, StopCause } from './completion-event.ts'
import { CompletionMachine } from './completion-machine.ts'

const { thinkStart, thinkEnd, endOfSentence, dsml } = specialTokens
const tags = [
  `\n\n<${dsml}tool_calls>\n`,
  `<${dsml}tool_calls>`,
  `</${dsml}tool_calls>`,
  `<${dsml}invoke name="depth">\n`,
  `<${dsml}invoke`,
  `\n</${dsml}invoke>\n`,
  `<${dsml}parameter name="bay" string="true">`,
  `<${dsml}parameter name="n" string="false">`,
  `<${dsml}parameter name="x">`,
  `<${dsml}parameter name="k" string="maybe">`,
  `</${dsml}parameter>\n`,
  ' name="',
  '">',
  thinkStart,
  thinkEnd,
  endOfSentence,
]
const words = [
  'sea ',
  'Hafen',
  '港',
  '😀',
  '\ud83d',
  '\ude00',
  '\n',
  '\n\n',
  '<',
  '</',
  '"',
  '\\',
  '{"a": [1]}',
  '1.0',
  'null',
  ' ',
  '\u0000',
  '｜',
  'x'.repeat(300),
  '',
]
const causes: readonly StopCause[] = ['stop', 'length', 'stop-string', 'aborted']

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!
}

function prose(random: Random): string {
  return Array.from({ length: random.below(4) }, () => pick(random, words)).join('')
}

function soup(random: Random): string {
  const part = (): string => {
    const text = random.below(2) === 0 ? pick(random, tags) : pick(random, words)
    return random.below(8) === 0 ? text.slice(0, random.below(text.length + 1)) : text
  }
  return Array.from({ length: random.below(16) }, part).join('')
}

/** Names and keys around the longest that are read, where waiting and refusing meet. */
const names = [...Array<string>(20).fill('depth'), 'n'.repeat(255), 'n'.repeat(256), 'n'.repeat(257)]
const keys = ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd', 'c c', 'é', 'k'.repeat(511), 'k'.repeat(512), 'k'.repeat(513)]

function wellFormed(random: Random): string {
  const value = (): string => {
    const isString = random.below(2) === 0
    return `<${dsml}parameter name="${pick(random, keys)}" string="${isString}">${isString ? prose(random) : pick(random, ['1', '[1, 2]', '{}', 'oops', 'NaN'])}</${dsml}parameter>`
  }
  const call = (): string => {
    const values = Array.from({ length: random.below(3) }, value).join('\n')
    return `<${dsml}invoke name="${pick(random, names)}">\n${values}\n</${dsml}invoke>`
  }
  const calls = Array.from({ length: random.below(3) }, call)
  const block = calls.length === 0 ? '' : `\n\n<${dsml}tool_calls>\n${calls.join('\n')}\n</${dsml}tool_calls>`
  return `${prose(random)}${thinkEnd}${prose(random)}${block}${endOfSentence}`
}

function damage(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const length = random.below(12)
  const kind = random.below(5)
  if (kind === 0) return text.slice(0, at)
  if (kind === 1) return text.slice(0, at) + text.slice(at + length)
  if (kind === 2) return text.slice(0, at) + pick(random, tags) + text.slice(at)
  return text
}

/** A random completion, from hostile to flawless. */
export function randomCompletion(random: Random): string {
  return random.below(2) === 0 ? soup(random) : damage(random, wellFormed(random))
}

interface Run {
  readonly events: CompletionEvent[]
  readonly completion: Completion
}

function runMachine(chunks: readonly string[], opens: 'reasoning' | 'text', cause: StopCause): Run {
  const machine = new CompletionMachine({ opens })
  const events = chunks.flatMap((chunk) => machine.push(chunk))
  events.push(...machine.finish(cause))
  return { events, completion: machine.result() }
}

function chunksOf(random: Random, text: string): string[] {
  const chunks: string[] = []
  const largest = 1 + random.below(12)
  for (let at = 0; at < text.length;) {
    const length = 1 + random.below(largest)
    chunks.push(text.slice(at, at + length))
    at += length
  }
  return chunks
}

/** Neighbouring deltas of one kind as one, which is what must not depend on the chunks. */
function coalesce(events: readonly CompletionEvent[]): CompletionEvent[] {
  const result: CompletionEvent[] = []
  for (const event of events) {
    const last = result.at(-1)
    if (event.type === 'text-delta' && last?.type === 'text-delta')
      result[result.length - 1] = { ...last, text: last.text + event.text }
    else if (event.type === 'reasoning-delta' && last?.type === 'reasoning-delta')
      result[result.length - 1] = { ...last, text: last.text + event.text }
    else if (event.type === 'tool-call-delta' && last?.type === 'tool-call-delta')
      result[result.length - 1] = { ...last, argumentsDelta: last.argumentsDelta + event.argumentsDelta }
    else result.push(event)
  }
  return result
}

/** The laws of one run. Throws an assertion error when one is broken. */
export function checkLaws(text: string, { events, completion }: Run): void {
  assert.equal(completion.spans.map((span) => span.text).join(''), text, 'every character is in one span')
  const deltas = { text: '', reasoning: '' }
  const calls: { name: string; argumentsText: string; complete: boolean }[] = []
  let open: { name: string; argumentsText: string } | null = null
  for (const [index, event] of events.entries()) {
    assert.equal(event.type === 'end', index === events.length - 1, 'one end, and it is last')
    switch (event.type) {
      case 'text-delta':
      case 'reasoning-delta':
        assert.notEqual(event.text, '')
        assert.equal(open, null, 'no prose inside a call')
        if (text.isWellFormed()) assert.equal(event.text.isWellFormed(), true, 'no half character')
        deltas[event.type === 'text-delta' ? 'text' : 'reasoning'] += event.text
        break
      case 'tool-call-start':
        assert.equal(open, null, 'calls do not overlap')
        assert.equal(event.index, calls.length)
        open = { name: event.name, argumentsText: '' }
        break
      case 'tool-call-delta':
        assert.notEqual(event.argumentsDelta, '')
        open!.argumentsText += event.argumentsDelta
        break
      case 'tool-call-end':
        calls.push({ ...open!, complete: event.complete })
        open = null
        break
      default:
        assert.equal(open, null, 'every call ends')
    }
  }
  assert.equal(deltas.text, completion.text)
  assert.equal(deltas.reasoning, completion.reasoning)
  assert.deepEqual(calls, completion.calls)
  for (const call of calls) {
    if (call.complete)
      assert.equal(
        Object.prototype.toString.call(JSON.parse(call.argumentsText)),
        '[object Object]',
        'complete arguments are a JSON object',
      )
  }
  if (completion.rawCalls !== null) assert.equal(text.includes(completion.rawCalls), true)
}

/** Runs `count` random completions. Throws at the first broken law, naming the input. */
export function fuzzCompletions(count: number, seed: number): void {
  const random = createRandom(seed)
  for (let i = 0; i < count; i++) {
    const text = randomCompletion(random)
    const opens = random.below(2) === 0 ? 'reasoning' : 'text'
    const cause = pick(random, causes)
    const chunks = chunksOf(random, text)
    try {
      const whole = runMachine([text], opens, cause)
      const cut = runMachine(chunks, opens, cause)
      checkLaws(text, whole)
      checkLaws(text, cut)
      assert.deepEqual(coalesce(cut.events), coalesce(whole.events), 'chunks do not matter')
      assert.deepEqual(cut.completion, whole.completion, 'chunks do not matter')
    } catch (error) {
      throw new Error(`Broken by ${JSON.stringify({ text, opens, cause, chunks })}`, { cause: error })
    }
  }
}

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 1_000_000)
  const seed = Number(process.argv[3] ?? 20261123)
  const startedMs = performance.now()
  for (let done = 0; done < count; done += 50_000) {
    fuzzCompletions(Math.min(50_000, count - done), seed + done)
    process.stderr.write(`\r${Math.min(count, done + 50_000)} of ${count}`)
  }
  process.stderr.write(`\nno law broken in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`)
}
