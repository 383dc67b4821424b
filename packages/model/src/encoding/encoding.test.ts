import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { ModelError } from '../errors.ts'
import { ownCorpus } from '../tokenizer/own-corpus.ts'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { trainTokenizer } from '../tokenizer/train.ts'
import { loadEncodingProfile, profileFromSources } from './checkpoint-texts.ts'
import { encodeChat, encodeFillInTheMiddle } from './encode-chat.ts'
import type { ChatMessage, ChatRequest } from './messages.ts'
import { encodingFile, ownProfile, parseEncodingFile } from './own-texts.ts'
import { sha256 } from './profile.ts'
import type { KnownRevision } from './profile.ts'
import { pythonStrings } from './python-strings.ts'
import { promptText, promptTokens } from './segments.ts'

const tokenizer = new Tokenizer(trainTokenizer(ownCorpus(5, 100), { vocabularySize: 500 }))
const text = (request: ChatRequest): string => promptText(encodeChat(request, ownProfile).segments)
const tokens = (request: ChatRequest): number[] => promptTokens(encodeChat(request, ownProfile).segments, tokenizer)
const specials = (ids: readonly number[]): string[] => ids.flatMap((id) => tokenizer.specialOf(id) ?? [])
const isError =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof ModelError && error.code === code

describe('prompt tokens', () => {
  it('cannot be forged: special tokens in content, results, schemas, names and arguments stay ordinary text', () => {
    const forged = Object.values(specialTokens).join('x')
    const messages: ChatMessage[] = [
      { role: 'system', content: forged },
      { role: 'user', content: forged },
      {
        role: 'assistant',
        content: forged,
        reasoning: forged,
        toolCalls: [{ id: 'c', name: forged, argumentsText: JSON.stringify({ [forged]: forged, n: [forged] }) }],
      },
      { role: 'tool', callId: 'c', content: forged },
    ]
    const honest = (message: ChatMessage): ChatMessage => JSON.parse(JSON.stringify(message).replaceAll(forged, 'x'))
    const request: ChatRequest = { mode: 'thinking', tools: [{ schema: { name: forged } }], messages }
    const honestRequest: ChatRequest = {
      mode: 'thinking',
      tools: [{ schema: { name: 'x' } }],
      messages: messages.map(honest),
    }
    assert.deepEqual(specials(tokens(request)), specials(tokens(honestRequest)))
    assert.equal(tokenizer.decode(tokens(request)), text(request))
  })

  it('begin with the sentence begin exactly once', () => {
    const ids = tokens({ mode: 'chat', messages: [{ role: 'user', content: 'Q' }] })
    assert.equal(ids[0], tokenizer.specialId(specialTokens.beginOfSentence))
    assert.equal(ids.filter((id) => id === ids[0]).length, 1)
  })

  it('of a longer conversation extend those of a shorter one, when reasoning is kept', () => {
    const first: ChatMessage[] = [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'Q1' },
    ]
    const more: ChatMessage[] = [
      ...first,
      { role: 'assistant', content: 'A1', reasoning: 'R1' },
      { role: 'user', content: 'Q2' },
    ]
    const tools = [{ schema: { name: 'depth' } }]
    const short = tokens({ mode: 'thinking', tools, messages: first })
    assert.deepEqual(tokens({ mode: 'thinking', tools, messages: more }).slice(0, short.length), short)
  })

  it('of a conversation with a system message in between extend as well', () => {
    const first: ChatMessage[] = [
      { role: 'user', content: 'Q1' },
      { role: 'system', content: 'S' },
    ]
    const short = tokens({ mode: 'chat', messages: first })
    const more = tokens({
      mode: 'chat',
      messages: [...first, { role: 'assistant', content: 'A1' }, { role: 'user', content: 'Q2' }],
    })
    assert.deepEqual(more.slice(0, short.length), short)
  })

  it('repeat a sampled call block byte for byte instead of printing it anew', () => {
    const rawCalls =
      '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="n" string="false"> [1,2]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>'
    const messages: ChatMessage[] = [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: '', rawCalls, toolCalls: [{ name: 'f', argumentsText: '{"n": [1,2]}' }] },
      { role: 'tool', callId: 'c', content: 'ok' },
    ]
    assert.equal(text({ mode: 'chat', messages }).includes(rawCalls), true)
    assert.equal(
      specials(tokens({ mode: 'chat', messages })).filter((content) => content === specialTokens.dsml).length,
      6,
    )
  })
})

describe('chat encoder', () => {
  it('stays quick with very many messages', () => {
    const messages = Array.from({ length: 50_000 }, (): ChatMessage => ({ role: 'tool', callId: 'c', content: 'x' }))
    assert.equal(text({ mode: 'chat', messages }).length > 50_000, true)
  })

  const q: ChatMessage = { role: 'user', content: 'Q' }

  it('refuses conversations that cannot be written', () => {
    const endless: Record<string, unknown> = {}
    endless.again = endless
    const bad: ChatRequest[] = [
      { mode: 'chat', messages: [] },
      { mode: 'thinking', effort: 'ultra', messages: [q] },
      { mode: 'chat', messages: [{ role: 'assistant', content: 'A', prefix: 'answer' }, q] },
      { mode: 'chat', messages: [{ role: 'developer', content: '' }] },
      { mode: 'chat', tools: [{ json: '[1]' }], messages: [q] },
      { mode: 'chat', tools: [{ json: '{' }], messages: [q] },
      { mode: 'chat', tools: [{ schema: endless }], messages: [q] },
      { mode: 'chat', responseFormat: { kind: 'json-schema', schema: endless }, messages: [q] },
      { mode: 'chat', responseFormat: { kind: 'json-schema', json: '{' }, messages: [q] },
      { mode: 'chat', messages: [JSON.parse('{"role":"user","content":"Q","task":"toString"}')] },
    ]
    for (const request of bad) assert.throws(() => encodeChat(request, ownProfile), isError('MODEL_ENCODING_REQUEST'))
  })

  it('takes arguments that are JSON but no object as one raw parameter', () => {
    const prompt = text({
      mode: 'chat',
      messages: [q, { role: 'assistant', content: '', toolCalls: [{ name: 'f', argumentsText: '[1]' }] }],
    })
    assert.equal(prompt.includes('<｜DSML｜parameter name="arguments" string="true">[1]</｜DSML｜parameter>'), true)
  })

  it('writes fill-in-the-middle as begin, prefix, hole, suffix, end', () => {
    assert.equal(
      promptText(encodeFillInTheMiddle('a', 'b').segments),
      '<｜begin▁of▁sentence｜><｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>',
    )
    assert.equal(promptText(encodeFillInTheMiddle('a', null).segments), '<｜begin▁of▁sentence｜>a')
    const ids = promptTokens(encodeFillInTheMiddle('<｜fim▁end｜>', '<｜fim▁hole｜>').segments, tokenizer)
    assert.equal(specials(ids).length, 4)
  })
})

describe('python string literals', () => {
  it('are found with quotes, escapes, prefixes and joined neighbours', () => {
    const source = `a = "x\\n\\"y\\"" # "no"\nb: str = (\n  'one '  # comment\n  "two"\n)\nc = """t\n"r" \\u00e9\\x41"""\nd = r"\\n"\ne = f'{q}'`
    assert.deepEqual(pythonStrings(source), ['x\n"y"', 'one ', 'two', 'one two', 't\n"r" éA', '\\n', '{q}'])
  })

  it('end quietly at a literal that never ends', () => {
    assert.deepEqual(pythonStrings('a = "x"\nb = "'), ['x'])
    assert.deepEqual(pythonStrings('"""'), [])
  })
})

describe('encoding profile', () => {
  // A revision of our own, in the shape of the published file.
  const source = `
TOOLS = """Tools, marked {dsml_token}, thought in {thinking_start_token}{thinking_end_token}:
{tool_schemas}
end."""
fmt: str = "Schema:\\n{schema}"
EFFORT = (
    "Think "  # a comment "with quotes"
    "hard.\\n\\n"
)
`
  const revision: KnownRevision = {
    revision: 'test',
    toolsBefore: sha256('Tools, marked ｜DSML｜, thought in <think></think>:\n'),
    toolsAfter: sha256('\nend.'),
    responseFormat: sha256('Schema:\n'),
    efforts: { high: null, max: sha256('Think hard.\n\n') },
  }

  it('is recognised by the hashes of the texts, whatever their names', () => {
    const profile = profileFromSources([source], [revision])
    assert.equal(profile.revision, 'test')
    assert.equal(profile.toolsBefore, 'Tools, marked ｜DSML｜, thought in <think></think>:\n')
    assert.deepEqual(profile.efforts, { high: '', max: 'Think hard.\n\n' })
  })

  it('is refused when one letter of a text differs, naming the text', () => {
    assert.throws(
      () => profileFromSources([source.replace('hard', 'Hard')], [revision]),
      (error) => isError('MODEL_ENCODING_TEXTS')(error) && String(error).includes('effort max'),
    )
    assert.throws(() => profileFromSources(['x = 1']), isError('MODEL_ENCODING_TEXTS'))
  })

  it('of our own models travels as encoding.json', () => {
    assert.deepEqual(parseEncodingFile(encodingFile(ownProfile)), ownProfile)
    for (const bad of [
      '',
      '[]',
      '{}',
      '{"format":"portolan-encoding","version":2}',
      encodingFile(ownProfile).replace('"toolsAfter"', '"other"'),
      encodingFile(ownProfile).replace('"invoke": "invoke"', '"invoke": ""'),
    ]) {
      assert.throws(() => parseEncodingFile(bad), isError('MODEL_ENCODING_TEXTS'))
    }
  })

  it('is loaded from a checkpoint folder, encoding.json first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'portolan-encoding-'))
    try {
      await assert.rejects(loadEncodingProfile(folder), isError('MODEL_ENCODING_TEXTS'))
      await mkdir(join(folder, 'encoding'))
      await writeFile(join(folder, 'encoding', 'encoding.py'), source)
      await assert.rejects(loadEncodingProfile(folder), isError('MODEL_ENCODING_TEXTS'))
      await writeFile(join(folder, 'encoding.json'), encodingFile(ownProfile))
      assert.deepEqual(await loadEncodingProfile(folder), ownProfile)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
