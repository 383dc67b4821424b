/**
 * The attempts of a plan, one line each, encrypted, written and flushed before the next case is counted as done.
 *
 * A line is base64 of nonce, tag and AES-256-GCM of the attempt's JSON, bound to the plan: attempts repeat what was
 * recorded, so they are kept no more openly than the recording.
 * A key is (arm, replicate, case): resuming asks only what has no line. A line that a crash cut short is cut off at the
 * next start; any other line that cannot be read is damage and is said, not skipped. One writer at a time.
 *
 * A journal holds no attempt in memory, only its key and where its line lies (some 150 bytes): attempts repeat whole
 * conversations, and a plan may have a hundred thousand of them.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { CrossingError } from '../errors.ts'
import type { Attempt, Verdict } from '../records/index.ts'

const nonceBytes = 12
const tagBytes = 16
/** Read at once when a journal is opened. */
const blockBytes = 1 << 20

export class AttemptJournal {
  readonly #file: number
  readonly #keys = new Set<string>()
  /** Where the lines of the attempts begin, and their bytes, in the order written. */
  readonly #places: { readonly offset: number; readonly bytes: number }[] = []
  readonly #planHash: string
  readonly #key: Uint8Array
  #offset = 0

  /**
   * @param key 32 bytes, the same for every run of the plan
   * @throws {CrossingError} CROSSING_DAMAGED, CROSSING_STORAGE, CROSSING_CONFLICT when it belongs to another plan.
   */
  constructor(path: string, planHash: string, key: Uint8Array) {
    this.#planHash = planHash
    this.#key = key
    const existed = existsSync(path)
    try {
      this.#file = openSync(path, existed ? 'r+' : 'wx+', 0o600)
      if (existed) this.#read(path, planHash)
    } catch (error) {
      if (error instanceof CrossingError) throw error
      throw new CrossingError('CROSSING_STORAGE', `The journal ${path} cannot be used: ${(error as Error).message}`, {
        cause: error,
      })
    }
    if (this.#offset === 0) this.#write(JSON.stringify({ format: 'portolan-attempts', version: 1, planHash }))
  }

  /** In the order written, read from the file one at a time, as often as somebody goes through them. */
  get attempts(): Iterable<Attempt> {
    return { [Symbol.iterator]: () => this.#stored() }
  }

  get size(): number {
    return this.#keys.size
  }

  has(arm: string, replicate: number, caseId: string): boolean {
    return this.#keys.has(keyOf({ arm, replicate, caseId }))
  }

  /** Durable when it returns. @throws {CrossingError} CROSSING_CONFLICT when this attempt stands already. */
  append(attempt: Attempt): void {
    const key = keyOf(attempt)
    if (this.#keys.has(key))
      throw new CrossingError('CROSSING_CONFLICT', `Case ${attempt.caseId} was asked of ${attempt.arm} already.`)
    const text = JSON.stringify(attempt, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    const offset = this.#offset
    this.#write(this.#seal(text))
    this.#places.push({ offset, bytes: this.#offset - offset - 1 })
    this.#keys.add(key)
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    let written = 0
    while (written < bytes.length)
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#offset + written)
    fdatasyncSync(this.#file)
    this.#offset += bytes.length
  }

  #seal(text: string): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(this.#planHash))
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
  }

  /** Null: not written under this key for this plan, or changed. */
  #open(line: string): string | null {
    const bytes = Buffer.from(line, 'base64')
    if (bytes.length < nonceBytes + tagBytes) return null
    const cipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(this.#planHash))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
    try {
      return cipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + cipher.final('utf8')
    } catch {
      return null
    }
  }

  *#stored(): Generator<Attempt> {
    for (const { offset, bytes } of this.#places) {
      const line = Buffer.allocUnsafe(bytes)
      readSync(this.#file, line, 0, bytes, offset)
      const value = parsed(this.#open(line.toString('latin1')))
      if (value === null)
        throw new CrossingError('CROSSING_DAMAGED', `The journal was changed at byte ${offset} while it was in use.`)
      yield withMoney(value as Attempt)
    }
  }

  #read(path: string, planHash: string): void {
    let number = 0
    for (const { offset, line } of wholeLines(this.#file)) {
      number++
      const text = line.toString('latin1')
      const value = parsed(number === 1 ? text : this.#open(text))
      if (value === null)
        throw new CrossingError(
          'CROSSING_DAMAGED',
          `Line ${number} of the journal ${path} was changed, or was written under another recording key.`,
        )
      this.#offset = offset + line.length + 1
      if (number === 1) {
        const other = (value as { planHash?: unknown }).planHash
        if (other !== planHash)
          throw new CrossingError(
            'CROSSING_CONFLICT',
            `The journal ${path} belongs to another version of the plan (${String(other)}). Start a new one, or take up that version.`,
          )
      } else {
        this.#keys.add(keyOf(value as Attempt))
        this.#places.push({ offset, bytes: line.length })
      }
    }
    ftruncateSync(this.#file, this.#offset)
  }
}

/** The lines that were ended, with their places; one block and one line are held at a time. */
function* wholeLines(file: number): Generator<{ readonly offset: number; readonly line: Buffer }> {
  const block = Buffer.allocUnsafe(blockBytes)
  let begun: Buffer[] = []
  let offset = 0
  for (let at = 0; ;) {
    const read = readSync(file, block, 0, block.length, at)
    if (read === 0) return
    at += read
    let from = 0
    for (let end = block.indexOf(0x0a); end !== -1 && end < read; end = block.indexOf(0x0a, from)) {
      const line = Buffer.concat([...begun, block.subarray(from, end)])
      yield { offset, line }
      begun = []
      offset += line.length + 1
      from = end + 1
    }
    begun.push(Buffer.from(block.subarray(from, read)))
  }
}

function keyOf({ arm, replicate, caseId }: Pick<Attempt, 'arm' | 'replicate' | 'caseId'>): string {
  return `${arm}\0${replicate}\0${caseId}`
}

function parsed(line: string | null): object | null {
  if (line === null) return null
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null
  }
}

function withMoney(attempt: Attempt): Attempt {
  const verdicts = attempt.verdicts.map((verdict): Verdict =>
    verdict.cost === null ? verdict : { ...verdict, cost: { ...verdict.cost, nanos: nanos(verdict.cost.nanos) } },
  )
  return { ...attempt, costNanos: attempt.costNanos === null ? null : nanos(attempt.costNanos), verdicts }
}

/** `123n`: money never passes through a float. */
function nanos(value: unknown): bigint {
  return BigInt(String(value).replace(/n$/, ''))
}
