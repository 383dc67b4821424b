/**
 * A file of encrypted lines that belong to recorded sessions: what is asked and answered in a replay repeats what was
 * recorded, so it is kept no more openly, and no longer.
 *
 * A line is the session's id, a space, and base64 of nonce, tag and AES-256-GCM of the text, bound to the plan and to the session.
 * The key comes from the session's own subject: erasing the subject destroys it, and with it every such line in every copy of
 * the file, wherever it lies. Such lines are passed over; any other line that does not open is damage and is said.
 * A line that a crash cut short is cut off at the next start. One writer at a time.
 *
 * No text is held in memory, only where each line lies: a plan may have a hundred thousand of them.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { CrossingError } from '../errors.ts'
import { fileLines } from '../recording/file-lines.ts'

const nonceBytes = 12
const tagBytes = 16
const formatVersion = 2

/** The key of what repeats this session; null: its subject was erased. */
export type SessionKeys = (sessionId: string) => Uint8Array | null

export interface LinesOf {
  readonly path: string
  /** What the lines are, e.g. `portolan-attempts`. */
  readonly format: string
  readonly planHash: string
  readonly keyOf: SessionKeys
}

export class SealedLines {
  readonly #file: number
  /** Where lines begin, and their bytes, in the order written. */
  readonly #places: { readonly offset: number; readonly bytes: number }[] = []
  readonly #of: LinesOf
  #offset = 0
  #erased = 0

  /**
   * @param read gets every text that stands in the file, once; false: it is none of these lines
   * @throws {CrossingError} CROSSING_DAMAGED, CROSSING_STORAGE, CROSSING_CONFLICT when it belongs to another plan.
   */
  constructor(of: LinesOf, read: (text: string) => boolean) {
    this.#of = of
    const { path, format, planHash } = of
    const existed = existsSync(path)
    try {
      this.#file = openSync(path, existed ? 'r+' : 'wx+', 0o600)
      if (existed) this.#read(read)
    } catch (error) {
      if (error instanceof CrossingError) throw error
      throw new CrossingError('CROSSING_STORAGE', `The journal ${path} cannot be used: ${(error as Error).message}`, {
        cause: error,
      })
    }
    if (this.#offset === 0) this.#write(JSON.stringify({ format, version: formatVersion, planHash }))
  }

  /** Lines that nobody can read any more, because their subject was erased. */
  get erased(): number {
    return this.#erased
  }

  /** Durable when it returns. @returns false when the session's subject was erased: nothing was written */
  append(sessionId: string, text: string): boolean {
    const key = this.#of.keyOf(sessionId)
    if (key === null) return false
    const offset = this.#offset
    this.#write(`${sessionId} ${seal(text, key, this.#place(sessionId))}`)
    this.#places.push({ offset, bytes: this.#offset - offset - 1 })
    return true
  }

  /** In the order written, read from the file one at a time, as often as somebody goes through them. */
  *texts(): Generator<string> {
    for (const { offset, bytes } of this.#places) {
      const line = Buffer.allocUnsafe(bytes)
      readSync(this.#file, line, 0, bytes, offset)
      const text = this.#open(line.toString('latin1'))
      // Erased since it was opened.
      if (text === 'erased') continue
      if (text === null)
        throw new CrossingError('CROSSING_DAMAGED', `The journal was changed at byte ${offset} while it was in use.`)
      yield text.plain
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  #place(sessionId: string): string {
    const { format, planHash } = this.#of
    return `${format}|${planHash}|${sessionId}`
  }

  #open(line: string): { readonly plain: string } | 'erased' | null {
    const space = line.indexOf(' ')
    if (space < 1) return null
    const sessionId = line.slice(0, space)
    let key: Uint8Array | null
    try {
      key = this.#of.keyOf(sessionId)
    } catch (error) {
      // A line that names no recorded session is damage like any other.
      if (error instanceof CrossingError && error.code === 'CROSSING_NOT_FOUND') return null
      throw error
    }
    if (key === null) return 'erased'
    const plain = unseal(line.slice(space + 1), key, this.#place(sessionId))
    return plain === null ? null : { plain }
  }

  #write(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    let written = 0
    while (written < bytes.length)
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#offset + written)
    fdatasyncSync(this.#file)
    this.#offset += bytes.length
  }

  #read(read: (text: string) => boolean): void {
    const { path } = this.#of
    let number = 0
    for (const { offset, line, ended } of fileLines(this.#file)) {
      if (!ended) break
      number++
      const text = line.toString('latin1')
      if (number === 1) this.#checkHead(text)
      else {
        const found = this.#open(text)
        if (found === null || (found !== 'erased' && !read(found.plain)))
          throw new CrossingError(
            'CROSSING_DAMAGED',
            `Line ${number} of the journal ${path} was changed, or was written under another recording key.`,
          )
        if (found === 'erased') this.#erased++
        else this.#places.push({ offset, bytes: line.length })
      }
      this.#offset = offset + line.length + 1
    }
    ftruncateSync(this.#file, this.#offset)
  }

  #checkHead(text: string): void {
    const { path, format, planHash } = this.#of
    const head = headOf(text)
    if (head.format !== format)
      throw new CrossingError('CROSSING_DAMAGED', `Line 1 of the journal ${path} was changed: it is no ${format} file.`)
    if (head.planHash !== planHash)
      throw new CrossingError(
        'CROSSING_CONFLICT',
        `The journal ${path} belongs to another version of the plan (${String(head.planHash)}). Start a new one, or take up that version.`,
      )
    if (head.version !== formatVersion)
      throw new CrossingError(
        'CROSSING_CONFLICT',
        `The journal ${path} has format ${String(head.version)}, and this program writes ${formatVersion}. Move it away to start a new one.`,
      )
  }
}

/** Nothing in it: not even JSON. */
function headOf(text: string): { readonly format?: unknown; readonly version?: unknown; readonly planHash?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function seal(text: string, key: Uint8Array, place: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** Null: not written under this key for this plan and session, or changed. */
function unseal(sealed: string, key: Uint8Array, place: string): string | null {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < nonceBytes + tagBytes) return null
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(place))
    .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    return cipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + cipher.final('utf8')
  } catch {
    return null
  }
}
