import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { adapterOf } from '../adapters.ts'
import type { Dialect } from '../canonical/dialect.ts'
import { plainRequest } from '../canonical/plain-request.ts'
import type { OutputFormat } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import { protocols, type Protocol } from '../protocol.ts'
import { referenceDialects } from './reference-dialects.ts'
import { TranslationReport } from './report.ts'

const schema = { type: 'object', properties: { depth: { type: 'number' } } }
const bySchema = (strict: boolean | null): OutputFormat => ({
  type: 'json-schema',
  name: 'n',
  description: null,
  schema,
  strict,
})
const fields = { chat: 'response_format', messages: 'output_config.format', responses: 'text.format' } as const

/** What an upstream of this protocol is sent, and what the header says. */
function written(to: Protocol, from: Protocol, outputFormat: OutputFormat, change: Partial<Dialect>) {
  const report = new TranslationReport()
  const items = [{ kind: 'user', parts: [{ type: 'text', text: 'How deep?' }] }] as const
  const { body } = adapterOf(to).fromCanonicalRequest(
    plainRequest({ from, model: 'm', items, outputFormat, maxOutputTokens: 100 }),
    {
      dialect: { ...referenceDialects[to === 'chat' ? 'open-chat' : to], ...change },
      model: 'm',
      report,
      recall: () => null,
    },
  )
  return { text: JSON.stringify(body), header: report.header() }
}

describe('a schema that an upstream cannot be held to', () => {
  it('goes into words in every protocol, strict or not, and the header says so', () => {
    for (const to of protocols)
      for (const from of protocols)
        for (const strict of [true, false, null]) {
          const { text, header } = written(to, from, bySchema(strict), { jsonSchema: 'instruct' })
          assert.match(text, /follows this JSON Schema.*depth/, `${from} to ${to}, strict ${strict}`)
          assert.equal(header?.includes(`instructed=${fields[from]}`), true, `${from} to ${to}: ${header}`)
        }
  })

  it('is refused in every protocol when it is strict and not even words are taken, else left out by name', () => {
    for (const to of protocols) {
      assert.throws(
        () => written(to, 'chat', bySchema(true), { jsonSchema: 'none' }),
        (error) => error instanceof WireError && error.field === 'response_format',
      )
      const { text, header } = written(to, 'chat', bySchema(null), { jsonSchema: 'none' })
      assert.doesNotMatch(text, /depth|json_object/)
      assert.match(header ?? '', /dropped=response_format/)
    }
  })

  it('and a JSON object without a switch for it, is asked for in words', () => {
    for (const to of protocols) {
      const { text, header } = written(to, 'chat', { type: 'json-object' }, { jsonObject: false })
      assert.match(text, /one JSON object and nothing else/)
      assert.match(header ?? '', /emulated=response_format/)
    }
  })
})
