/** The books from the command line: questions, exports, statements, a vendor's bill, archive and check. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openSqliteStore, plainRow, readCsv, type LedgerRow } from '@portolan/store'
import { run } from '../main.ts'
import { focusColumns } from './usage-focus.ts'
import { shares } from './usage-reconcile.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-usage-'))
after(() => rmSync(root, { recursive: true, force: true }))
const data = join(root, 'data')
const config = join(root, 'portolan.yaml')
writeFileSync(
  config,
  'upstreams: { far: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1" } }\nmodels: { m: { route: [far] } }\n',
)

const hourMs = 3_600_000
const octoberMs = Date.UTC(2026, 9, 1)

function row(index: number, changes: Partial<LedgerRow> = {}): LedgerRow {
  const [hit, miss, output] = [100 * index, 10 + index, 7 * index]
  const tierNanos = {
    miss: BigInt(miss) * 661n,
    hit: BigInt(hit) * 3n,
    write5m: 0n,
    write1h: 0n,
    output: BigInt(output) * 1981n,
  }
  return plainRow({
    requestId: `req_${index}`,
    keyId: `key_${index % 2}`,
    team: index % 2 === 0 ? 'red' : null,
    tag: index % 3 === 0 ? 'nightly' : null,
    sessionId: 's',
    door: 'chat',
    path: '/v1/chat/completions',
    upstream: 'far',
    upstreamProtocol: 'chat',
    modelAsked: 'm',
    modelSent: 'm',
    modelServed: 'm',
    stream: true,
    httpStatus: 200,
    usage: {
      inputTokens: hit + miss,
      hitTokens: hit,
      missTokens: miss,
      writtenTokens: 0,
      written1hTokens: 0,
      outputTokens: output,
      reasoningTokens: 0,
      raw: null,
      source: 'reported',
      convention: 'cached-inside',
    },
    currency: 'USD',
    costNanos: tierNanos.miss + tierNanos.hit + tierNanos.output,
    tierNanos,
    priceVersion: 'a/b/USD/c',
    startedAtMs: octoberMs + index * 5 * hourMs,
    firstByteMs: 1,
    firstTextMs: 2,
    endMs: 3,
    bytesIn: 1,
    bytesOut: 1,
    ...changes,
  })
}

const rows = Array.from({ length: 40 }, (_, index) => row(index))
const total = rows.reduce((sum, { costNanos }) => sum + (costNanos ?? 0n), 0n)
{
  const store = openSqliteStore({ directory: data })
  store.ledger.append(rows)
  store.close()
}

/** In a function of its own: the compiler would take it for what was assigned last. */
function exitCode(): number {
  return Number(process.exitCode ?? 0)
}

/** Runs one command line, and takes what it prints. */
async function portolan(line: string, ...more: string[]): Promise<{ code: number; out: string; err: string }> {
  const [log, error, write] = [console.log, console.error, process.stdout.write.bind(process.stdout)]
  let [out, err] = ['', '']
  console.log = (text: string) => void (out += `${text}\n`)
  console.error = (text: string) => void (err += `${text}\n`)
  process.stdout.write = (text: string | Uint8Array) => (out += String(text)) !== ''
  process.exitCode = 0
  try {
    const code = await run(['node', 'portolan', ...line.split(' '), ...more, '--config', config, '--data', data])
    return { code: Math.max(code, exitCode()), out, err }
  } finally {
    process.exitCode = 0
    console.log = log
    console.error = error
    process.stdout.write = write
  }
}

const october = '--from 2026-10-01 --to 2026-11-01'

describe('portolan usage', () => {
  it('sums by any groups and narrows by any of them', async () => {
    const { out } = await portolan(`usage --by team,tag ${october} --json`)
    const lines = JSON.parse(out) as { group: object; requests: number }[]
    assert.deepEqual(
      lines.map(({ group, requests }) => [...Object.values(group), requests]),
      [
        [null, null, 13],
        [null, 'nightly', 7],
        ['red', null, 13],
        ['red', 'nightly', 7],
      ],
    )
    const filtered = await portolan(`usage --by month --team - --tag nightly ${october} --json`)
    assert.match(filtered.out, /"month":"2026-10"/)
    assert.equal((JSON.parse(filtered.out) as { requests: number }[])[0]?.requests, 7)
  })

  it('says what is wrong with a group, a date, a range or a key', async () => {
    for (const [line, words] of [
      ['usage --by colour', /"colour" is not one of model, key, team/],
      ['usage --from yesterday', /--from: "yesterday" is not a date/],
      ['usage --from 2026-11-02 --to 2026-11-01', /--to must be after --from/],
      ['usage --key nobody', /There is no key "nobody"/],
      ['usage statement --month October', /"October" is not a month such as 2026-10/],
      ['usage export --format pdf', /"pdf" is not one of focus, csv, jsonl/],
      ['usage verify --expect abc', /64 hex digits/],
      ['usage archive --older-than forever', /not a number of days/],
    ] as const) {
      const { code, err } = await portolan(line)
      assert.match(err, words)
      assert.equal(code, 2, line)
    }
  })
})

describe('portolan usage export', () => {
  /** FOCUS specification, tag v1.2 (2025-05-29), columns of feature level "Mandatory"; true: may be null. */
  const mandatory: Readonly<Record<string, boolean>> = {
    BilledCost: false,
    BillingAccountId: false,
    BillingAccountName: true,
    BillingCurrency: false,
    BillingPeriodEnd: false,
    BillingPeriodStart: false,
    ChargeCategory: false,
    ChargeClass: true,
    ChargeDescription: true,
    ChargePeriodEnd: false,
    ChargePeriodStart: false,
    ContractedCost: false,
    EffectiveCost: false,
    InvoiceIssuerName: false,
    ListCost: false,
    PricingQuantity: true,
    PricingUnit: true,
    ProviderName: false,
    PublisherName: false,
    ServiceCategory: false,
    ServiceName: false,
  }

  it('has every mandatory column of FOCUS 1.2, filled where it must be, and adds up to the ledger', async () => {
    const file = join(root, 'focus.csv')
    const { code, err } = await portolan(`usage export ${october} --out ${file}`)
    assert.deepEqual([code, err], [0, ''])
    const [header = [], ...records] = readCsv(readFileSync(file, 'utf8'))
    assert.deepEqual([...header], [...focusColumns])
    assert.deepEqual(
      Object.keys(mandatory).filter((name) => !header.includes(name)),
      [],
    )
    let nanos = 0n
    for (const record of records) {
      const field = (name: string): string => record[header.indexOf(name)] ?? ''
      for (const [name, nullable] of Object.entries(mandatory)) assert.ok(nullable || field(name) !== '', name)
      assert.match(field('ChargePeriodStart'), /^2026-10-\d\dT00:00:00Z$/)
      assert.equal(Date.parse(field('ChargePeriodEnd')) - Date.parse(field('ChargePeriodStart')), 24 * hourMs)
      assert.deepEqual(
        [field('BillingPeriodStart'), field('BillingPeriodEnd')],
        ['2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z'],
      )
      assert.deepEqual([field('ChargeCategory'), field('PricingUnit')], ['Usage', 'Tokens'])
      assert.notEqual(field('SkuPriceId'), '')
      assert.match(field('BilledCost'), /^\d+(\.\d{1,9})?$/)
      assert.equal(field('EffectiveCost'), field('BilledCost'))
      for (const name of header) assert.ok(name in mandatory || /^(x_|[A-Z][A-Za-z]+$)/.test(name), name)
      const [whole = '0', fraction = ''] = field('BilledCost').split('.')
      nanos += BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
    }
    assert.equal(nanos, total)
  })

  it('gives requests one by one, as CSV and as JSON lines', async () => {
    const [csv, jsonl] = [join(root, 'rows.csv'), join(root, 'rows.jsonl')]
    await portolan(`usage export ${october} --format csv --team red --out ${csv}`)
    const [header, ...records] = readCsv(readFileSync(csv, 'utf8'))
    assert.deepEqual([header?.[0], records.length], ['request_id', 20])
    await portolan(`usage export ${october} --format jsonl --out ${jsonl}`)
    const lines = readFileSync(jsonl, 'utf8').trimEnd().split('\n')
    assert.equal(lines.length, 40)
    assert.equal((JSON.parse(lines[3] ?? '') as LedgerRow).requestId, 'req_3')
  })
})

describe('portolan usage statement', () => {
  it('adds up to the nano, for a team, for those without, and for all', async () => {
    const amounts: bigint[] = []
    for (const team of [' --team red', ' --team -', '']) {
      const { out } = await portolan(`usage statement --month 2026-10 --json${team}`)
      const { lines, totals } = JSON.parse(out) as { lines: { nanos: string }[]; totals: { nanos: string }[] }
      const sum = lines.reduce((nanos, line) => nanos + BigInt(line.nanos), 0n)
      assert.equal(sum, BigInt(totals[0]?.nanos ?? 0))
      amounts.push(sum)
    }
    assert.deepEqual([amounts[0]! + amounts[1]!, amounts[2]], [total, total])
    const csv = await portolan('usage statement --month 2026-10 --format csv')
    const records = [...readCsv(csv.out)]
    const nanosOf = (text = ''): bigint => BigInt(text.replace('.', '').padEnd(text.indexOf('.') + 9, '0'))
    const printed = records
      .slice(1, -1)
      .reduce((sum, record) => sum + nanosOf(record[7]?.includes('.') ? record[7] : `${record[7]}.`), 0n)
    assert.equal(printed, nanosOf(records.at(-1)?.[7]))
    assert.match((await portolan('usage statement --month 2025-01')).out, /nothing was used/)
  })
})

describe('portolan usage reconcile', () => {
  const billRow = (index: number, source: 'reported' | 'estimated'): LedgerRow =>
    row(index, {
      requestId: `bill_${source}_${index}`,
      startedAtMs: Date.UTC(2026, 8, 5, index),
      modelServed: 'billed-model',
      usage: { ...row(index).usage, source, ...(source === 'estimated' && { estimatedBy: 'length' }) },
    })
  const exact = [1, 2, 3].map((index) => billRow(index, 'reported'))
  const guessed = [4, 5].map((index) => billRow(index, 'estimated'))

  it('shows differences, corrects estimated requests only, and agrees afterwards', async () => {
    const store = openSqliteStore({ directory: data })
    store.ledger.append([...exact, ...guessed])
    store.close()
    const known = (pick: (row: LedgerRow) => number | null): number =>
      exact.reduce((sum, one) => sum + (pick(one) ?? 0), 0)
    const bill = join(root, 'bill.csv')
    writeFileSync(
      bill,
      [
        'user_id,utc_date,model,api_key_name,api_key,type,price,amount',
        `u,2026-09-05,billed-model,prod,sk,input_cache_hit_tokens,0,${known(({ usage }) => usage.hitTokens) + 801}`,
        `u,2026-09-05,billed-model,prod,sk,input_cache_miss_tokens,0,${known(({ usage }) => usage.missTokens) + 100}`,
        `u,2026-09-05,billed-model,prod,sk,output_tokens,0,${known(({ usage }) => usage.outputTokens) + 77}`,
        'u,2026-09-05,billed-model,prod,sk,request_count,0,5',
      ].join('\n'),
    )
    const shown = await portolan(`usage reconcile ${bill} --shape deepseek --key prod=far`)
    assert.match(shown.out, /2026-09-05 +billed-model +far/)
    assert.match(shown.out, /2 estimated requests can be corrected/)
    assert.equal((await portolan(`usage reconcile ${bill} --upstream far --apply`)).code, 2)
    const applied = await portolan(`usage reconcile ${bill} --upstream far --apply --actor ana --json`)
    assert.equal((JSON.parse(applied.out) as { corrected: number }).corrected, 2)
    const again = openSqliteStore({ directory: data })
    const first = again.ledger.corrections('bill_estimated_4')[0]
    assert.deepEqual(
      [first?.actor, first?.before.usage.source, first?.before.usage.estimatedBy, first?.after.usage.source],
      ['ana', 'estimated', 'length', 'reported'],
    )
    assert.equal(first?.after.usage.estimatedBy, undefined)
    assert.deepEqual(again.ledger.corrections('bill_reported_1'), [])
    const [line] = again.ledger.usage({ groupBy: ['model'], model: 'billed-model' })
    assert.deepEqual(
      [line?.hitTokens, line?.missTokens, line?.outputTokens, line?.requestsEstimated],
      [600 + 801, 36 + 100, 42 + 77, 0],
    )
    assert.equal(again.ledger.verify().problem, null)
    again.close()
    assert.match((await portolan(`usage reconcile ${bill} --upstream far`)).out, /1 of 1 cells .* agree/)
  })

  it('reads JSON pages of buckets with cached tokens inside and outside the input, and money in hundredths', async () => {
    const inside = join(root, 'inside.json')
    const bucket = { start_time: Date.UTC(2026, 8, 6) / 1000, end_time: 0 }
    const result = {
      input_tokens: 50,
      input_cached_tokens: 20,
      input_cache_write_tokens: 8,
      output_tokens: 5,
      num_model_requests: 1,
      model: 'x',
      api_key_id: 'far',
    }
    writeFileSync(inside, JSON.stringify({ object: 'page', data: [{ ...bucket, results: [result] }] }))
    const { out } = await portolan(`usage reconcile ${inside} --shape openai --json`)
    const [cell] = (JSON.parse(out) as { cells: { day: string; billed: object; ours: unknown }[] }).cells
    assert.deepEqual([cell?.day, cell?.ours], ['2026-09-06', null])
    assert.deepEqual(cell?.billed, { input: 50, hit: 20, output: 5, requests: 1, nanos: null })

    const outside = join(root, 'outside.json')
    const usage = {
      uncached_input_tokens: 30,
      cache_read_input_tokens: 20,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      output_tokens: 5,
      model: 'x',
      api_key_id: null,
    }
    writeFileSync(outside, JSON.stringify({ data: [{ starting_at: '2026-09-06T00:00:00Z', results: [usage] }] }))
    const second = await portolan(`usage reconcile ${outside} --shape anthropic --upstream far --json`)
    assert.match(second.out, /"billed":{"input":60,"hit":20,"output":5/)

    const cost = join(root, 'cost.json')
    const amount = { amount: '123.456789', currency: 'usd', model: 'x' }
    writeFileSync(cost, JSON.stringify({ data: [{ starting_at: '2026-09-06T00:00:00Z', results: [amount] }] }))
    const third = await portolan(`usage reconcile ${cost} --shape anthropic-cost --upstream far --json`)
    assert.match(third.out, /"currency":"USD".*"nanos":"1234567890"/)
  })

  it('reads anybody’s export through a mapping file, and says what is wrong with one', async () => {
    const [shape, bill] = [join(root, 'shape.json'), join(root, 'own.csv')]
    writeFileSync(
      shape,
      JSON.stringify({
        source: 'ours',
        format: 'csv',
        day: 'Date',
        model: 'Model',
        amount: { field: 'Cost', currency: 'EUR' },
      }),
    )
    writeFileSync(bill, 'Date,Model,Cost\n2026-09-07,x,1.5e-3\n')
    assert.match(
      (await portolan(`usage reconcile ${bill} --shape ${shape} --upstream far --json`)).out,
      /"nanos":"1500000"/,
    )
    for (const [text, words] of [
      ['Date,Model,Cost\nsoon,x,1\n', /line 2: `Date` is "soon", no day/],
      ['Date,Model,Cost\n2026-09-07,x,much\n', /`Cost` is no decimal number/],
      ['Date,Cost\n2026-09-07,1\n', /no column "Model"/],
      ['', /empty/],
    ] as const) {
      writeFileSync(bill, text)
      const { code, err } = await portolan(`usage reconcile ${bill} --shape ${shape} --upstream far`)
      assert.match(err, words)
      assert.equal(code, 2)
    }
    assert.match(
      (await portolan(`usage reconcile ${bill} --shape nobody`)).err,
      /neither one of anthropic.* nor a mapping file/,
    )
  })

  it('takes column names on the command line, over a known layout or over none', async () => {
    const bill = join(root, 'mapped.csv')
    writeFileSync(bill, 'Day,Model name,Cached,Cached too,Fresh,Out,Cost\n2026-09-08,x,3,4,10,5,0.25\n')
    const map = 'day=Day,model=Model name,hit=Cached|Cached too,miss=Fresh,output=Out,amount=Cost,currency=EUR'
    const mapped = async (shape: string, pairs: string) =>
      portolan(`usage reconcile ${bill} --shape ${shape} --upstream far --json`, '--map', pairs)
    for (const shape of ['csv', 'deepseek'])
      assert.match(
        (await mapped(shape, map)).out,
        /"currency":"EUR".*"billed":{"input":17,"hit":7,"output":5,"requests":null,"nanos":"250000000"}/,
      )
    for (const [pairs, words] of [
      ['day', /is not a pair such as day=Date/],
      ['price=Cost', /is not one of day, model, key/],
      ['day=Day', /which column is the model/],
      ['day=Day,model=Model name,currency=EUR', /currency goes with amount/],
      ['day=Day,model=Model', /no column .*Model/],
    ] as const)
      assert.match((await mapped('csv', pairs)).err, words)
  })

  it('says which names of a layout its vendor documents, and which nobody does', async () => {
    const bill = join(root, 'cautious.csv')
    writeFileSync(bill, 'utc_date,model,cost,currency\n2026-09-08,x,0.25,USD\n')
    const reconcile = `usage reconcile ${bill} --shape deepseek-cost --upstream far`
    assert.match((await portolan(reconcile)).out, /documents no layout .* nobody confirms model, currency\. --map/)
    const { layout } = JSON.parse((await portolan(`${reconcile} --json`)).out) as {
      layout: { confirmed: { documented: string[]; reported: string[] } }
    }
    assert.deepEqual([layout.confirmed.documented, layout.confirmed.reported], [[], ['utc_date', 'cost']])
  })

  it('splits to the last unit', () => {
    assert.deepEqual(shares(10n, [1n, 1n, 1n]), [4n, 3n, 3n])
    assert.deepEqual(shares(7n, [0n, 0n]), [4n, 3n])
    assert.deepEqual(shares(0n, [5n, 9n]), [0n, 0n])
  })
})

describe('portolan usage archive and verify', () => {
  it('moves old rows into files; statement and check go on as before', async () => {
    const before = (await portolan('usage statement --month 2026-10')).out
    const { out } = await portolan(`usage archive --older-than 0d --to ${join(root, 'files')} --json`)
    assert.equal((JSON.parse(out) as { archives: { rows: number }[] }).archives[0]?.rows, 45)
    assert.equal((await portolan('usage statement --month 2026-10')).out, before)
    const check = await portolan('usage verify')
    assert.equal(check.code, 0, check.err)
    assert.match(check.out, /as it was written: 3 batches, 0 entries here, 47 in archives; sums equal entries/)
    const head = /batch 3, ([0-9a-f]{64})/.exec(check.out)?.[1] ?? ''
    assert.equal((await portolan(`usage verify --expect ${head}`)).code, 0)
    assert.equal((await portolan(`usage verify --expect ${'0'.repeat(63)}1`)).code, 1)
  })
})
