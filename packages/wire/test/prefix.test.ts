/**
 * Law 2, the prefix: what goes upstream on turn n+1 extends what went upstream on turn n, through every pair of
 * door and upstream, although the client reshapes its own history between the two.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  adapterOf,
  createSealer,
  protocols,
  referenceDialects,
  TranslationReport,
  type Dialect,
  type Protocol,
} from '../src/index.ts'
import { bodyOf, requestsOf, session, type Entry } from './door-client.ts'

const sealer = createSealer(new Uint8Array(32).fill(3))
const entries = session(30)
const requests = requestsOf(entries)

/** The reference upstreams, and servers of open models behind the other two protocols. */
const upstreams: Readonly<Record<string, Dialect>> = {
  ...referenceDialects,
  'open-messages': {
    ...referenceDialects['open-chat'],
    protocol: 'messages',
    reasoningField: null,
    endUserField: 'metadata.user_id',
    prefill: 'none',
  },
  'open-responses': { ...referenceDialects['open-chat'], protocol: 'responses', reasoningField: null, prefill: 'none' },
}

const recalled = new Map<string, { reasoning: string; argumentsText: string }>()
for (const entry of entries)
  if (entry.kind === 'assistant')
    for (const call of entry.calls)
      recalled.set(call.id, { reasoning: entry.reasoning, argumentsText: call.argumentsText })

/** What is sent upstream, as the list of things whose order makes the prompt. Cache marks are not prompt. */
function upstreamBound(door: Protocol, dialect: Dialect, history: readonly Entry[], turn: number): string[] {
  const body = bodyOf(door, history, turn, sealer)
  const text = JSON.stringify(body)
  const report = new TranslationReport()
  const request = adapterOf(door).toCanonicalRequest(JSON.parse(text), {
    messagesVersion: '2023-06-01',
    sealer,
    text,
    report,
  })
  const written = adapterOf(dialect.protocol).fromCanonicalRequest(request, {
    dialect,
    model: 'up',
    report,
    recall: (id) => recalled.get(id) ?? null,
  }).body
  const lists = [written.tools, [written.system, written.instructions], written.messages ?? written.input]
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .map((part) => JSON.stringify(part, withoutMarks) ?? '')
}

function withoutMarks(name: string, value: unknown): unknown {
  return name === 'cache_control' || name === 'prompt_cache_breakpoint' ? undefined : value
}

/** How much of `before` still stands at the start of `after`, in characters. */
function shareKept(before: readonly string[], after: readonly string[]): number {
  const total = before.reduce((sum, part) => sum + part.length, 0)
  let kept = 0
  for (const [at, part] of before.entries()) {
    if (after[at] !== part) break
    kept += part.length
  }
  return kept / total
}

for (const door of protocols)
  for (const [name, dialect] of Object.entries(upstreams))
    describe(`${door} door, ${name} upstream`, () => {
      it('keeps the whole prefix over 30 reshaped turns', () => {
        let before: string[] | null = null
        for (const [turn, history] of requests.entries()) {
          const after = upstreamBound(door, dialect, history, turn)
          if (before !== null) {
            const broken = before.findIndex((part, at) => after[at] !== part)
            assert.equal(broken, -1, `turn ${turn}, part ${broken}:\n${before[broken]}\n${after[broken]}`)
            assert.ok(after.length > before.length, 'something was added')
            assert.equal(shareKept(before, after), 1)
          }
          before = after
        }
      })

      if (name.startsWith('open-'))
        it('gives the reasoning of every tool loop back once, shown, hidden or dropped by the client', () => {
          const sent = upstreamBound(door, dialect, requests.at(-1) ?? [], 29).join('\n')
          for (const entry of requests.at(-1) ?? [])
            if (entry.kind === 'assistant' && entry.calls.length > 0)
              assert.equal(sent.split(`"${entry.reasoning}"`).length - 1, 1, entry.reasoning)
        })

      it('sends every text, call and result of the session once', () => {
        const sent = upstreamBound(door, dialect, requests.at(-1) ?? [], 29).join('\n')
        for (const entry of requests.at(-1) ?? []) {
          const texts =
            entry.kind === 'results'
              ? entry.results.map((result) => result.text)
              : entry.text === ''
                ? []
                : [entry.text]
          const ids = entry.kind === 'assistant' ? entry.calls.map((call) => call.id) : []
          if (entry.kind === 'system' || (entry.kind === 'user' && entry.text !== 'question 0')) continue
          for (const text of texts) assert.ok(sent.includes(JSON.stringify(text).slice(1, -1)), text)
          for (const id of ids)
            assert.equal(sent.split(`"${id}"`).length - 1, 2, `${id} is called once and answered once`)
        }
      })
    })

describe('the measure itself', () => {
  it('sees a planted break', () => {
    const dialect = referenceDialects['open-chat']
    const history = requests.at(-1) ?? []
    const edited = history.map((entry, at): Entry =>
      at === 4 && entry.kind !== 'assistant' ? entry : at === 1 ? { kind: 'user', text: 'edited' } : entry,
    )
    const share = shareKept(upstreamBound('chat', dialect, history, 1), upstreamBound('chat', dialect, edited, 1))
    assert.ok(share > 0 && share < 0.2, String(share))
  })
})
