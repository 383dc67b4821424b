/**
 * What the instructions themselves allow: multiply-adds on registers, nothing loaded, nothing stored.
 *
 *   node --conditions=source bench/kernels/ceiling.ts
 *
 * A WebAssembly vector has 128 bits. Native code on a machine with wider ones has a ceiling several times as high, so a share
 * of native code alone does not say how much of what is possible here a kernel uses. Chains of additions hide each
 * other's latency only when there are enough of them, and spill when there are too many; the best count is reported.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Ceiling {
  readonly instruction: string
  /** 1e9 additions and multiplications a second on one thread. */
  readonly gigaOperations: number
  readonly chains: number
}

interface Instruction {
  readonly name: string
  readonly vector: string
  readonly apply: (one: string, other: string, sum: string) => string
  /** Additions and multiplications of one instruction. */
  readonly operations: number
}

const instructions: readonly Instruction[] = [
  {
    name: 'f32x4.relaxed_madd',
    vector: 'f32x4.splat(0)',
    apply: (one, other, sum) => `f32x4.relaxed_madd(${one}, ${other}, ${sum})`,
    operations: 8,
  },
  {
    name: 'i32x4.relaxed_dot_i8x16_i7x16_add_s',
    vector: 'i32x4.splat(0)',
    apply: (one, other, sum) => `i32x4.relaxed_dot_i8x16_i7x16_add_s(${one}, ${other}, ${sum})`,
    operations: 32,
  },
]

const rounds = 2_000_000
const repetitions = 25

function source(instruction: Instruction, chains: number): string {
  const sums = Array.from({ length: chains }, (_, at) => `sum${at}`)
  return `export function run(rounds: i32): void {
    memory.grow(1)
    const one = v128.load(0), other = v128.load(16)
    ${sums.map((sum) => `let ${sum} = ${instruction.vector}`).join('\n')}
    for (let round = 0; round < rounds; round++) {
      ${sums.map((sum, at) => `${sum} = ${instruction.apply(at % 2 ? 'one' : 'other', 'one', sum)}`).join('\n')}
    }
    ${sums.map((sum, at) => `v128.store(${32 + 16 * at}, ${sum})`).join('\n')}
  }`
}

async function measure(instruction: Instruction, chains: number, folder: string): Promise<Ceiling> {
  const [from, to] = [join(folder, 'ceiling.ts'), join(folder, 'ceiling.wasm')]
  writeFileSync(from, source(instruction, chains))
  const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
  const options = ['-O3', '--runtime', 'stub', '--enable', 'simd,relaxed-simd', '--outFile', to]
  const { status, stderr } = spawnSync(process.execPath, [compiler, from, ...options], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`The probe does not compile:\n${stderr}`)
  const { instance } = await WebAssembly.instantiate(readFileSync(to))
  const run = instance.exports['run'] as (rounds: number) => void
  let best = Infinity
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const start = performance.now()
    run(rounds)
    best = Math.min(best, performance.now() - start)
  }
  const gigaOperations = (rounds * chains * instruction.operations) / (best / 1000) / 1e9
  return { instruction: instruction.name, gigaOperations, chains }
}

/** The ceiling of each instruction that the kernels' products are made of, by the best of many short runs. */
export async function ceilings(): Promise<Ceiling[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ceiling-'))
  try {
    const best: Ceiling[] = []
    for (const instruction of instructions) {
      const tried: Ceiling[] = []
      for (const chains of [4, 8, 10, 12, 13, 14]) tried.push(await measure(instruction, chains, folder))
      best.push(tried.reduce((one, other) => (one.gigaOperations > other.gigaOperations ? one : other)))
    }
    return best
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main)
  for (const each of await ceilings())
    console.log(`${each.instruction}: ${each.gigaOperations.toFixed(1)} GOP/s with ${each.chains} chains`)
