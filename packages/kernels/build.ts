/**
 * Compiles `src/assembly` into `wasm/`, once with relaxed SIMD and once without:
 *
 *   node --conditions=source packages/kernels/build.ts [DIRECTORY]
 *
 * The same sources and the same compiler give the same bytes; a test holds the committed files to that.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const home = import.meta.dirname
const target = process.argv[2] ?? join(home, 'wasm')
const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')

for (const [variant, features, relaxed] of [
  ['relaxed-simd', 'simd,threads,relaxed-simd', 1],
  ['simd', 'simd,threads', 0],
] as const) {
  const options = [
    `src/assembly/index.ts --outFile ${join(target, `kernels-${variant}.wasm`)}`,
    '--runtime stub -O3 --noAssert --uncheckedBehavior always',
    `--enable ${features} --importMemory --sharedMemory --initialMemory 2 --maximumMemory 65536`,
    `--memoryBase 1024 --use RELAXED=${relaxed} --use abort= --disableWarning 112`,
  ].join(' ')
  const { status } = spawnSync(process.execPath, [compiler, ...options.split(' ')], { cwd: home, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
