/** The committed modules are what the committed sources compile to. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { moduleBytes } from './variants.ts'
import { webAssembly } from './web-assembly.ts'

const home = join(import.meta.dirname, '..')

function compilerIsHere(): boolean {
  try {
    createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
    return true
  } catch {
    return false
  }
}

describe('the compiled modules', () => {
  it('are rebuilt byte for byte', { skip: compilerIsHere() ? false : 'assemblyscript is not installed' }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'kernels-'))
    try {
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--conditions=source', join(home, 'build.ts'), directory],
        { encoding: 'utf8' },
      )
      assert.equal(status, 0, stderr)
      for (const variant of ['relaxed-simd', 'simd'] as const) {
        const rebuilt = readFileSync(join(directory, `kernels-${variant}.wasm`))
        assert.ok(rebuilt.equals(moduleBytes(variant)), `${variant}: run build.ts and commit wasm/`)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('import the memory and nothing else', () => {
    for (const variant of ['relaxed-simd', 'simd'] as const) {
      const imports = webAssembly.Module.imports(new webAssembly.Module(moduleBytes(variant)))
      assert.deepEqual(
        imports.map(({ module, name, kind }) => `${module}.${name} ${kind}`),
        ['env.memory memory'],
      )
    }
  })
})
