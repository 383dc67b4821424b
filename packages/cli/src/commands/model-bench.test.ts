/** `portolan model bench` on a model made in a temporary folder: figures that fit each other, and its refusals. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'
import { run } from '../main.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-bench-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const tiny = join(folder, 'tiny')

async function portolan(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { log: '', error: '' }
  const mocks = (['log', 'error'] as const).map((name) =>
    mock.method(console, name, (text: string) => {
      texts[name] += `${text}\n`
    }),
  )
  try {
    return { code: await run(['node', 'portolan', 'model', ...args]), out: texts.log, err: texts.error }
  } finally {
    for (const each of mocks) each.mock.restore()
  }
}

before(async () => {
  assert.equal((await portolan('make', tiny, '--seed', '7')).code, 0)
})

describe('portolan model bench', () => {
  for (const forward of ['exact', 'fast'] as const)
    it(`measures by context what ${forward} does`, async () => {
      const args = ['bench', tiny, '--context', '128', '512', '--tokens', '1', '--compute', '128', '--forward', forward]
      const { code, out, err } = await portolan(...args, '--json')
      assert.equal(code, 0, err)
      const report = JSON.parse(out)
      assert.equal(report.forward, forward)
      assert.ok(report.weightBytes >= report.weightBytesPerToken && report.readBytesPerSec > 0)
      const [short, long] = report.contexts
      assert.deepEqual([short.contextTokens, long.contextTokens], [128, 512])
      assert.ok(short.computedMs > 0 && long.computedMs === null)
      for (const speed of [short, long])
        assert.ok(speed.decodeMsPerToken > 0 && speed.prefillTokensPerSec > 0 && speed.resumedMs > 0)
      assert.ok(long.sequenceBytes >= short.sequenceBytes)
    })

  it('says what it measured, and that the model is untrained', async () => {
    const { code, out } = await portolan('bench', tiny, '--context', '256', '--tokens', '1')
    assert.equal(code, 0)
    assert.match(out, /untrained/)
    assert.match(out, /kernels, exact mode/)
    assert.match(out, /CONTEXT +DECODE +OF READING +PREFILL +COMPUTED +FROM CACHE +SEQUENCE\n +256 /)
  })

  it('refuses a length that the model cannot hold, and a folder that is none', async () => {
    const long = await portolan('bench', tiny, '--context', '1M')
    assert.notEqual(long.code, 0)
    assert.match(long.err, /1,048,576 tokens; .* holds at most/)
    assert.match((await portolan('bench', join(folder, 'none'))).err, /There is no folder/)
  })
})
