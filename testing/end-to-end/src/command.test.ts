/** The `portolan` command as a person meets it: first start, typos, wrong keys, signals, reload. */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'

const bin = resolve(import.meta.dirname, '../../../packages/cli/bin/portolan.js')
const work = mkdtempSync(join(tmpdir(), 'portolan-command-'))
after(() => rmSync(work, { recursive: true, force: true }))

const environment = { PATH: process.env['PATH'], HOME: work }

function portolan(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=source', bin, ...args], {
    cwd: work,
    env: environment,
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { code: status, out: stdout, err: stderr }
}

interface Started {
  readonly process: ChildProcess
  readonly url: string
  readonly key: string
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

async function start(...args: string[]): Promise<Started> {
  const child = spawn(process.execPath, ['--conditions=source', bin, 'up', '--json', '--port', '0', ...args], {
    cwd: work,
    env: environment,
  })
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const line = await new Promise<string>((done, fail) => {
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes('\n')) done(out)
    })
    child.on('exit', (code) => fail(new Error(`exit ${code}: ${err}`)))
  })
  const { url, key } = JSON.parse(line) as { url: string; key: string }
  return {
    process: child,
    url,
    key,
    stop: (signal = 'SIGTERM') =>
      new Promise((done) => {
        child.on('exit', (code) => done(code))
        child.kill(signal)
      }),
  }
}

const ask = (started: Started, model: string): Promise<Response> =>
  fetch(`${started.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${started.key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  })

describe('portolan up', () => {
  it('answers without any key or configuration, says what it is, and leaves one row', async () => {
    const started = await start('--data', join(work, 'first'))
    try {
      assert.match(started.url, /^http:\/\/127\.0\.0\.1:/)
      const response = await ask(started, 'portolan-demo')
      assert.equal(response.status, 200)
      assert.match(await response.text(), /not a language model/)
    } finally {
      assert.equal(await started.stop(), 0)
    }
    const { out } = portolan('usage', '--last', '5', '--json', '--data', join(work, 'first'))
    const rows = JSON.parse(out) as { status: string; upstream: string }[]
    assert.deepEqual(
      rows.map(({ status, upstream }) => [status, upstream]),
      [['ok', 'demo']],
    )
  })

  it('without any key answers every name with the untrained model, which says so first and is listed', async () => {
    const data = join(work, 'untrained')
    const startedAt = performance.now()
    const started = await start('--data', data)
    try {
      const response = await ask(started, 'deepseek-v4-flash')
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('x-portolan-upstream'), 'embedded')
      const answer = (await response.json()) as { choices: { message: { content: string } }[] }
      // Three seconds on a machine with nothing else to do; this one may be busy.
      assert.ok(performance.now() - startedAt < 15_000)
      assert.match(answer.choices[0]!.message.content, /^\[This model is untrained/)
      for (const name of ['claude-sonnet-5', 'gpt-6-luna', 'portolan-untrained-1'])
        assert.equal((await ask(started, name)).headers.get('x-portolan-upstream'), 'embedded')
      const list = await fetch(`${started.url}/v1/models`, { headers: { authorization: `Bearer ${started.key}` } })
      const names = ((await list.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
      for (const name of ['portolan-untrained-1', 'portolan-demo', 'deepseek-v4-pro', 'deepseek-v4-flash'])
        assert.ok(names.includes(name), names.join())
    } finally {
      await started.stop()
    }
  })

  // The handlers came after the start, and after the address: whoever sent a signal at once killed it.
  it('ends in order when it is told to during its start, and as soon as it has said its address', async () => {
    for (const moment of ['its data are open', 'its address is out'] as const) {
      const data = join(work, `early ${moment}`)
      const child = spawn(process.execPath, ['--conditions=source', bin, 'up', '--port', '0', '--data', data], {
        cwd: work,
        env: environment,
      })
      const ended = new Promise((done) => child.on('exit', (code, signal) => done(signal ?? code)))
      let out = ''
      child.stdout.on('data', (chunk: Buffer) => {
        // A second signal would not wait.
        if (out === '' && moment === 'its address is out') child.kill('SIGTERM')
        out += chunk.toString()
      })
      if (moment === 'its data are open') {
        for (let waitedMs = 0; waitedMs < 15_000 && !existsSync(join(data, 'portolan.db')); waitedMs++)
          await new Promise((done) => setTimeout(done, 1))
        child.kill('SIGTERM')
      }
      assert.equal(await ended, 0, moment)
      assert.match(out, /answers finished, ledger closed/)
    }
  })

  it('shows a key once: not again at the next start', async () => {
    const data = join(work, 'twice')
    const one = await start('--data', data)
    await one.stop('SIGINT')
    const two = await start('--data', data)
    assert.match(one.key, /^ptl_\w{43}$/)
    assert.equal(two.key, null)
    assert.equal((await ask({ ...two, key: one.key }, 'x')).status, 200)
    await two.stop()
  })

  it('takes a changed file without a restart, and keeps the running one when the change is wrong', async () => {
    const config = join(work, 'reload.yaml')
    const write = (model: string): void =>
      writeFileSync(config, `upstreams:\n  demo: { kind: demo }\nmodels:\n  ${model}: { route: [demo] }\n`)
    const names = async (started: Started): Promise<string[]> => {
      const response = await fetch(`${started.url}/v1/models`, { headers: { authorization: `Bearer ${started.key}` } })
      return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
    }
    const until = async (condition: () => Promise<boolean>): Promise<void> => {
      for (let i = 0; i < 100 && !(await condition()); i++) await new Promise((done) => setTimeout(done, 30))
    }
    write('before')
    const started = await start('--config', config, '--data', join(work, 'reload'))
    try {
      assert.ok((await names(started)).includes('before'))
      write('after')
      await until(async () => (await names(started)).includes('after'))
      assert.ok(!(await names(started)).includes('before'))
      writeFileSync(config, 'upstreams: [broken\n')
      started.process.kill('SIGHUP')
      await new Promise((done) => setTimeout(done, 300))
      assert.ok((await names(started)).includes('after'))
    } finally {
      await started.stop()
    }
  })

  it('serves one port with several processes and one ledger', async () => {
    const config = join(work, 'workers.yaml')
    writeFileSync(config, 'workers: 2\nupstreams:\n  demo: { kind: demo }\n')
    const data = join(work, 'workers')
    const started = await start('--config', config, '--data', data)
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await ask(started, 'm')).status))
    assert.deepEqual(new Set(statuses), new Set([200]))
    const metrics = await (await fetch(`${started.url}/metrics`)).text()
    assert.match(metrics, /portolan_requests_total\{door="chat",upstream="demo",status="ok"\} 20/)
    assert.equal(await started.stop(), 0)
    const rows = JSON.parse(portolan('usage', '--last', '100', '--json', '--data', data).out) as unknown[]
    assert.equal(rows.length, 20)
  })

  it('says who has the port', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((done) => other.once('listening', done))
    const { port } = other.address() as AddressInfo
    const { code, err } = portolan('up', '--port', String(port), '--data', join(work, 'port'))
    other.close()
    assert.equal(code, 1)
    assert.match(err, /another program listens there.*GATEWAY_CANNOT_LISTEN/)
  })
})

describe('a mistake', () => {
  const config = join(work, 'bad.yaml')
  const cases: readonly [string, string, RegExp][] = [
    [
      'a typo in a setting',
      'upstreams:\n  d:\n    kind: demo\n    concurency: 3\n',
      /bad\.yaml:4:5: upstreams\.d\.concurency: there is no such setting; did you mean "concurrency"\?/,
    ],
    ['an unknown kind', 'upstreams:\n  d: { kind: depseek }\n', /bad\.yaml:2:14: upstreams\.d\.kind/],
    ['broken YAML', 'upstreams: [a\nb: 1\n', /bad\.yaml:\d+:\d+: /],
    [
      'a route to nobody',
      'upstreams:\n  d: { kind: demo }\nmodels:\n  m: { route: [e] }\n',
      /bad\.yaml:4:16: models\.m\.route: no upstream is called "e"/,
    ],
    [
      'a secret in the file',
      'upstreams:\n  d: { kind: deepseek, apiKey: sk-123 }\n',
      /bad\.yaml:2:32: .*a secret belongs in the environment/,
    ],
    [
      'a variable that is not set',
      'upstreams:\n  d: { kind: deepseek, apiKey: "${NO_SUCH_KEY}" }\n',
      /NO_SUCH_KEY is not set/,
    ],
    ['an address that is none', 'listen: everywhere\n', /"everywhere" is not host:port/],
    ['a compatible upstream without address', 'upstreams:\n  d: { kind: vllm }\n', /baseUrl.*missing/],
  ]
  for (const [what, text, expected] of cases)
    it(`in the configuration is named with its place: ${what}`, () => {
      writeFileSync(config, text)
      const { code, out, err } = portolan('up', '--config', config, '--data', join(work, 'bad'), '--port', '0')
      assert.notEqual(code, 0)
      assert.match(err, expected)
      assert.equal(out, '')
      assert.doesNotMatch(err, /sk-123|\n {4}at /)
    })

  it('on the command line exits with 2 and suggests', () => {
    const { code, err } = portolan('usge')
    assert.equal(code, 2)
    assert.match(err, /Did you mean usage\?/)
    assert.equal(portolan('up', '--port', 'many').code, 2)
    assert.equal(portolan('keys', 'revoke', 'key_none', '--data', join(work, 'k')).code, 2)
    assert.equal(portolan('up', '--config', 'nowhere.yaml').code, 2)
  })

  it('of the disk is said: a data directory that cannot be made', () => {
    const file = join(work, 'a-file')
    writeFileSync(file, '')
    const { code, err } = portolan('up', '--data', join(file, 'inside'), '--port', '0')
    assert.equal(code, 1)
    assert.match(err, /Cannot create the data directory .*\[CLI_DATA_DIRECTORY\]/)
    chmodSync(file, 0o600)
  })

  it('is JSON for scripts that ask for JSON', () => {
    const { err } = portolan('up', '--config', 'nowhere.yaml', '--json')
    assert.equal((JSON.parse(err) as { error: { code: string } }).error.code, 'CLI_NO_CONFIG')
  })
})

describe('every command', () => {
  it('has help with an example', () => {
    for (const command of [
      ['up'],
      ['init'],
      ['keys', 'create'],
      ['keys', 'list'],
      ['keys', 'revoke'],
      ['usage'],
      ['budget'],
      ['forecast'],
      ['models'],
      ['upstreams'],
      ['price', 'at'],
      ['price', 'history'],
      ['doctor'],
    ]) {
      const { code, out } = portolan(...command, '--help')
      assert.equal(code, 0)
      assert.match(out, /Example:\n {2}\$ portolan /, command.join(' '))
    }
  })

  it('works from nothing: init, doctor, keys, models, upstreams, price', () => {
    const config = join(work, 'made.yaml')
    const data = join(work, 'made')
    assert.equal(portolan('init', '--config', config).code, 0)
    assert.equal(portolan('init', '--config', config).code, 2)
    const doctor = portolan('doctor', '--config', config, '--data', data)
    assert.equal(doctor.code, 0, doctor.out + doctor.err)
    const lost = join(work, 'lost.yaml')
    writeFileSync(
      lost,
      'upstreams:\n  own: { kind: embedded, checkpoint: nowhere }\nmodels:\n  m: { route: [own], tokenizer: none.json }\n',
    )
    const sick = portolan('doctor', '--config', lost, '--data', data)
    assert.equal(sick.code, 1, sick.out + sick.err)
    assert.match(sick.out, /BAD {2}engine own +\S*nowhere has no config\.json/)
    assert.match(sick.out, /BAD {2}tokenizer m +\S*none\.json cannot be used .* by their length/)
    const { secret, id } = JSON.parse(
      portolan('keys', 'create', 'ci', '--models', 'deepseek-*', '--days', '3', '--json', '--data', data).out,
    ) as { secret: string; id: string }
    assert.match(secret, /^ptl_/)
    assert.doesNotMatch(portolan('keys', 'list', '--data', data).out, new RegExp(secret))
    assert.match(portolan('keys', 'revoke', id, '--data', data).out, /revoked/)
    assert.match(portolan('models', '--config', config).out, /demo/)
    assert.match(portolan('upstreams', '--config', config, '--check').out, /answers in this process/)
    assert.match(
      portolan('price', 'at', 'deepseek', 'deepseek-v4-pro', '--date', '2026-05-01T12:00:00Z').out,
      /cacheRead\s+0\.003625/,
    )
    assert.match(portolan('price', 'history', 'deepseek', 'deepseek-v4-flash', '--currency', 'USD').out, /0\.0028/)
  })
})
