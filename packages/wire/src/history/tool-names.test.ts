import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FunctionTool, Tool } from '../canonical/request.ts'
import { aliasToolName, dedupeTools, ToolNames } from './tool-names.ts'
import { restoreToolCalls, ToolRestorer, unwrapInput, wrapInput } from './tool-restore.ts'

const rule = { charset: 'A-Za-z0-9_-', maxLength: 64 }
const options = { rule, namespaces: false, customTools: false }
const tool = (name: string, namespace: string | null = null): FunctionTool => ({
  kind: 'function',
  name,
  namespace,
  description: null,
  parameters: null,
  strict: null,
})

describe('tool names for an upstream', () => {
  it('leaves lawful names alone', () => {
    const names = new ToolNames({ tools: [tool('read_file')], items: [] }, options)
    assert.equal(names.out('read_file'), 'read_file')
    assert.equal(names.restore().size, 0)
  })

  it('shortens names over the limit deterministically and restores them (catalogue 62)', () => {
    const long = 'mcp__server__' + 'x'.repeat(90)
    const names = new ToolNames({ tools: [tool(long)], items: [] }, options)
    const out = names.out(long)
    assert.match(out, /^mcp__server__x{42}_[0-9a-f]{8}$/)
    assert.equal(out.length, 64)
    assert.equal(out, aliasToolName(long, rule))
    assert.equal(names.restore().get(out)?.name, long)
  })

  it('replaces odd characters', () => {
    assert.match(aliasToolName('files.read:ü', rule), /^files_read___[0-9a-f]{8}$/)
  })

  it('flattens namespaces, and a flat tool of that very name keeps its own (catalogue 94, 96)', () => {
    const names = new ToolNames({ tools: [tool('exec', 'functions'), tool('functions__exec')], items: [] }, options)
    assert.equal(names.out('functions__exec'), 'functions__exec')
    const namespaced = names.out('exec', 'functions')
    assert.notEqual(namespaced, 'functions__exec')
    assert.deepEqual(names.restore().get(namespaced), { name: 'exec', namespace: 'functions', custom: false })
  })

  it('names a tool that only the history knows by the same rule', () => {
    const names = new ToolNames({ tools: [], items: [] }, options)
    assert.equal(names.out('a b'), aliasToolName('a b', rule))
  })

  it('keeps the first of several tools with one name (catalogue 78)', () => {
    const tools: Tool[] = [tool('a'), { ...tool('a'), description: 'second' }, tool('a', 'ns')]
    const { tools: kept, duplicates } = dedupeTools(tools)
    assert.deepEqual(duplicates, ['a'])
    assert.equal(kept.length, 2)
  })
})

describe('restoring calls', () => {
  const names = new Map([
    ['apply_patch', { name: 'apply_patch', namespace: null, custom: true }],
    ['ns__exec', { name: 'exec', namespace: 'ns', custom: false }],
  ])
  const input = 'line "one"\n\\ täglich \u{1f600}\u0001'

  it('unwraps free-form input however the fragments are cut (catalogue 95)', () => {
    const wrapped = `{ "input" : ${JSON.stringify(input).replace('\u{1f600}', '\\ud83d\\ude00')} }`
    for (let cut = 0; cut <= wrapped.length; cut++) {
      const restorer = new ToolRestorer(names)
      const start = restorer.push({
        type: 'tool-call-start',
        key: 1,
        callId: 'c',
        name: 'apply_patch',
        namespace: null,
        custom: false,
      })[0]
      assert.ok(start?.type === 'tool-call-start' && start.custom)
      const events = [
        ...restorer.push({ type: 'tool-call-delta', key: 1, argumentsDelta: wrapped.slice(0, cut) }),
        ...restorer.push({ type: 'tool-call-delta', key: 1, argumentsDelta: wrapped.slice(cut) }),
        ...restorer.push({ type: 'tool-call-end', key: 1 }),
      ]
      const text = events.map((event) => (event.type === 'tool-call-delta' ? event.argumentsDelta : '')).join('')
      assert.equal(text, input, `cut at ${cut}`)
      for (const event of events)
        if (event.type === 'tool-call-delta') assert.ok(event.argumentsDelta.isWellFormed(), `cut at ${cut}`)
    }
  })

  it('passes on arguments of another shape as they are', () => {
    assert.equal(unwrapInput('{"patch":"x"}'), '{"patch":"x"}')
    assert.equal(unwrapInput(' {"inp'), ' {"inp')
    assert.equal(unwrapInput(wrapInput(input)), input)
  })

  it('restores names in complete answers', () => {
    const items = restoreToolCalls(
      [{ kind: 'tool-call', callId: 'c', name: 'ns__exec', namespace: null, argumentsText: '{}', custom: false }],
      names,
    )
    assert.ok(items[0]?.kind === 'tool-call')
    assert.deepEqual([items[0].name, items[0].namespace], ['exec', 'ns'])
  })
})
