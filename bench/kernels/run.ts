/**
 * Speed of the kernels against this machine's own read bandwidth and native code, in one run:
 *
 *   node --conditions=source bench/kernels/run.ts [--megabytes 256] [--runs 9] [--variant simd] [--json]
 *
 * Method and last numbers: README.md.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Kernels, type NumericMode, type PlacedMatrix, type StoredMatrix, type Variant } from '@portolan/kernels'
import { ceilings } from './ceiling.ts'

const { values: options } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '256' },
    runs: { type: 'string', default: '9' },
    variant: { type: 'string', default: 'auto' },
    json: { type: 'boolean', default: false },
  },
})
const megabytes = Number(options.megabytes)
const runs = Number(options.runs)
const columns = 4096

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)]!
}

function seconds(body: () => void): number {
  const start = performance.now()
  body()
  return (performance.now() - start) / 1000
}

let state = 1
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}

/** A small pool of bell-shaped values; large matrices repeat it. */
const sample = Float32Array.from({ length: 65_536 }, () => random() + random() + random() + random() - 2)
/** E4M3 codes of bell-shaped weights: nearly all normal, as trained weights scaled to their largest are. */
const fp8Sample = Uint8Array.from(sample, (value) => {
  const magnitude = Math.min(447, Math.abs(value) * 200)
  const sign = value < 0 ? 128 : 0
  if (magnitude < 2 ** -6) return sign
  const exponent = Math.floor(Math.log2(magnitude))
  return sign | ((exponent + 7) << 3) | Math.floor((magnitude / 2 ** exponent - 1) * 8)
})

function repeat<T extends { readonly length: number; set(values: ArrayLike<number>, at?: number): void }>(
  from: { readonly length: number; subarray(start: number, end: number): ArrayLike<number> },
  to: T,
): T {
  for (let at = 0; at < to.length; at += from.length)
    to.set(from.subarray(0, Math.min(from.length, to.length - at)), at)
  return to
}

type Format = StoredMatrix['format']
const bytesPerCell: Readonly<Record<Format, number>> = { f32: 4, bf16: 2, fp8: 1, fp4: 17 / 32, int8: 136 / 128 }

function matrixOf(format: Format, rows: number, width: number): StoredMatrix {
  const cells = rows * width
  switch (format) {
    case 'f32':
      return { format, rows, columns: width, values: repeat(sample, new Float32Array(cells)) }
    case 'bf16': {
      const codes = Uint16Array.from(new Uint32Array(sample.buffer), (bits) => bits >>> 16)
      return { format, rows, columns: width, codes: repeat(codes, new Uint16Array(cells)) }
    }
    case 'fp8':
      return {
        format,
        rows,
        columns: width,
        codes: repeat(fp8Sample, new Uint8Array(cells)),
        scales: new Float32Array(Math.ceil(rows / 128) * Math.ceil(width / 128)).fill(2 ** -8),
        block: [128, 128],
      }
    case 'fp4': {
      const codes = Uint8Array.from(sample, (value) => Math.floor((value + 2) * 63.9))
      const scales = Float32Array.from({ length: cells / 32 }, (_, at) => 2 ** -(at % 5))
      return { format, rows, columns: width, codes: repeat(codes, new Uint8Array(cells / 2)), scales }
    }
    default: {
      const codes = Int8Array.from(sample, (value) => Math.round(value * 60))
      const scales = new Float32Array(rows * Math.ceil(width / 128)).fill(0.01)
      return { format, rows, columns: width, codes: repeat(codes, new Int8Array(cells)), scales }
    }
  }
}

interface Row {
  readonly kernel: string
  readonly oneThread: number
  readonly twoThreads: number
  /** Reading on one thread, measured between this kernel's runs. */
  readonly read: number
}

interface Figures {
  readonly decode: readonly Row[]
  readonly prefill: readonly Row[]
}

const probeBytes = 2 ** 26

async function measure(kernels: readonly Kernels[], bytes: number): Promise<Figures> {
  const probes = kernels.map((each) => each.arena.bytes(probeBytes).fill(1).byteOffset)
  /** One thread, two threads and the probe take turns, so that a busy minute of the machine meets all alike. */
  const both = (kernel: string, prepare: (kernels: Kernels) => () => number): Row => {
    const marks = kernels.map((each) => each.arena.mark())
    const bodies = kernels.map(prepare)
    const amount = bodies.map((body) => body())[0]!
    const times: [number[], number[], number[]] = [[], [], []]
    for (let run = 0; run < runs; run++) {
      for (const [at, body] of bodies.entries()) times[at]!.push(seconds(body))
      times[2].push(seconds(() => kernels[0]!.readThrough(probes[0]!, probeBytes)))
    }
    for (const [at, each] of kernels.entries()) each.arena.release(marks[at]!)
    const speed = (at: 0 | 1): number => amount / median(times[at]) / 1e9
    return { kernel, oneThread: speed(0), twoThreads: speed(1), read: probeBytes / median(times[2]) / 1e9 }
  }
  const product = (each: Kernels, placed: PlacedMatrix, width: number, tokens: number, mode: NumericMode) => {
    const x = each.arena.floats(tokens * width)
    repeat(sample, x)
    const inputs = each.inputs(width, tokens)
    const out = each.arena.floats(tokens * placed.rows)
    return () => {
      inputs.load(x, tokens)
      each.multiply(placed, inputs, out, mode)
    }
  }
  const decode: Row[] = [
    both('read', (each) => {
      const at = each.arena.bytes(bytes).fill(1).byteOffset
      return () => {
        each.readThrough(at, bytes)
        return bytes
      }
    }),
  ]
  for (const [format, mode] of [
    ['f32', 'exact'],
    ['bf16', 'exact'],
    ['int8', 'fast'],
    ['int8', 'exact'],
    ['fp8', 'exact'],
    ['fp4', 'fast'],
    ['fp4', 'exact'],
  ] as const) {
    const rows = Math.floor(bytes / bytesPerCell[format] / columns / 128) * 128
    const matrix = matrixOf(format, rows, columns)
    decode.push(
      both(`${format} ${mode}`, (each) => {
        const placed = each.place(matrix)
        const body = product(each, placed, columns, 1, mode)
        return () => {
          body()
          return placed.bytes
        }
      }),
    )
  }
  const prefill: Row[] = []
  const [width, rows, tokens] = [2048, 2048, 96]
  for (const [format, mode] of [
    ['f32', 'exact'],
    ['bf16', 'exact'],
    ['fp8', 'exact'],
    ['fp4', 'exact'],
    ['int8', 'fast'],
    ['fp4', 'fast'],
  ] as const) {
    const matrix = matrixOf(format, rows, width)
    prefill.push(
      both(`${format} ${mode}`, (each) => {
        const body = product(each, each.place(matrix), width, tokens, mode)
        return () => {
          body()
          return 2 * tokens * rows * width
        }
      }),
    )
  }
  // One decode step of a Flash-shaped layer: 64 heads of 512 over 128 window rows and 512 chosen ones.
  const [heads, dim, chosen] = [64, 512, 640]
  prefill.push(
    both('attention, 640 packed rows', (each) => {
      const stored = repeat(fp8Sample, each.arena.bytes(chosen * 584))
      for (let row = 0; row < chosen; row++) stored.fill(120, row * 584 + 576, row * 584 + 584)
      const list = each.arena.integers(chosen)
      for (let row = 0; row < chosen; row++) list[row] = stored.byteOffset + row * 584
      const ends = each.arena.integers(1).fill(chosen)
      const queries = each.arena.floats(heads * dim)
      repeat(sample, queries)
      const sinks = each.arena.floats(heads).fill(0)
      const out = each.arena.floats(heads * dim)
      return () => {
        each.attend(queries, 1, heads, dim, 64, list, ends, sinks, out)
        return 4 * heads * dim * chosen
      }
    }),
    both('indexer, 65,536 packed rows', (each) => {
      const count = 65_536
      const stored = repeat(fp8Sample, each.arena.bytes(count * 68))
      for (let row = 0; row < count; row++) stored.fill(125, row * 68 + 64, row * 68 + 68)
      const queries = stored.subarray(0, heads * 68)
      const weights = each.arena.floats(heads).fill(0.1)
      const scores = each.arena.floats(count)
      return () => {
        each.indexScores(queries, weights, heads, 128, stored, count, scores)
        return 2 * heads * 128 * count
      }
    }),
  )
  return { decode, prefill }
}

/** What the C program prints, or nothing where there is no compiler. */
function native(): ReadonlyMap<string, number> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-kernels-'))
  try {
    const program = join(directory, 'native')
    execFileSync('gcc', ['-O3', '-march=native', join(import.meta.dirname, 'native.c'), '-o', program], {
      stdio: 'pipe',
    })
    const lines = execFileSync(program, [String(megabytes), String(runs)], { encoding: 'utf8' })
      .trim()
      .split('\n')
    return new Map(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
  } catch {
    return new Map()
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const variant = options.variant as Variant | 'auto'
const weightBytes = megabytes * 2 ** 20
const loadBefore = loadavg()[0]!
const nativeFigures = native()
const allowed = await ceilings()
const instances = [
  await Kernels.start({ bytes: weightBytes + 2 ** 28, variant }),
  await Kernels.start({ bytes: weightBytes + 2 ** 28, variant, workers: 1 }),
]
const figures = await measure(instances, weightBytes)
for (const kernels of instances) await kernels.close()

const bars: Readonly<Record<string, number>> = {
  'f32 exact': 0.95,
  'int8 fast': 0.65,
  'fp8 exact': 0.45,
  'fp4 fast': 0.5,
}
/** Name of the native figure, the bar, and the instruction whose ceiling holds. */
const prefillBars: Readonly<Record<string, readonly [string, number, string]>> = {
  'f32 exact': ['gemm-f32', 0.35, 'f32x4.relaxed_madd'],
  'int8 fast': ['gemm-int8', 0.6, 'i32x4.relaxed_dot_i8x16_i7x16_add_s'],
}

if (options.json) {
  console.log(
    JSON.stringify({ variant: instances[0]!.variant, ...figures, native: Object.fromEntries(nativeFigures), allowed }),
  )
} else {
  const figure = (value: number, digits = 1): string => (Number.isFinite(value) ? value.toFixed(digits) : '-')
  console.log(
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads, load ${figure(loadBefore)} before`,
  )
  console.log(
    `Node ${process.versions.node}, ${instances[0]!.variant}, ${megabytes} MB of weights, medians of ${runs}\n`,
  )
  console.log('| decode, one token | GB/s, 1 thread | 2 threads | scaling | probe | of read bandwidth | bar |')
  console.log('|---|---|---|---|---|---|---|')
  for (const row of figures.decode) {
    const share = row.oneThread / row.read
    const bar = bars[row.kernel]
    console.log(
      `| ${row.kernel} | ${figure(row.oneThread)} | ${figure(row.twoThreads)} | ${figure(row.twoThreads / row.oneThread, 2)} | ` +
        `${figure(row.read)} | ${figure(share, 2)} | ${bar === undefined ? '' : `${bar} ${share >= bar ? 'met' : 'NOT met'}`} |`,
    )
  }
  console.log('\n| many rows at once | G(FL)OP/s, 1 thread | 2 threads | scaling | of native | bar | of the ceiling |')
  console.log('|---|---|---|---|---|---|---|')
  for (const row of figures.prefill) {
    const [name, bar, instruction] = prefillBars[row.kernel] ?? ['', 0, '']
    const ceiling = allowed.find((each) => each.instruction === instruction)?.gigaOperations ?? Number.NaN
    const share = row.oneThread / (nativeFigures.get(name) ?? Number.NaN)
    console.log(
      `| ${row.kernel} | ${figure(row.oneThread)} | ${figure(row.twoThreads)} | ${figure(row.twoThreads / row.oneThread, 2)} | ` +
        `${figure(share, 2)} | ${bar === 0 ? '' : `${bar} ${share >= bar ? 'met' : 'NOT met'}`} | ${figure(row.oneThread / ceiling, 2)} |`,
    )
  }
  const ceilingText = allowed
    .map(({ instruction, gigaOperations }) => `${instruction} ${figure(gigaOperations)}`)
    .join(', ')
  console.log(`\nceiling, 1 thread, registers only: ${ceilingText}`)
  if (nativeFigures.size > 0) {
    console.log(
      `\nnative C, 1 thread: ${[...nativeFigures].map(([name, value]) => `${name} ${figure(value)}`).join(', ')}`,
    )
  } else console.log('\nno C compiler here: no native figures')
}
