/**
 * Blocks on disk: append-only segments and an index of their heads, so that prefixes survive a restart.
 *
 * A block is written before its index entry, and every read is checked against a checksum: whatever a crash
 * leaves behind (half a block, half an entry, an entry ahead of its block) is found and is a miss. The size cap
 * removes whole segments, oldest first. One process writes; `lock` names it. All calls are synchronous: the
 * engine has a thread of its own.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { EngineError } from '../errors.ts'
import type { KeptBlock } from '../forward.ts'
import type { BlockKey } from './block-keys.ts'
import { checksumOf, decodeHead, encodeHead, headBytes, wholeBytes, type BlockPlace } from './block-record.ts'

export interface DiskTierOptions {
  /** Cap on all segments together. Default 1 GiB. */
  readonly limitBytes?: number
  /** A segment is closed once it has grown to this. Default 64 MiB, at most an eighth of the cap. */
  readonly segmentBytes?: number
  /** Read and verify only: takes no lock, writes nothing. */
  readonly readOnly?: boolean
}

export interface SegmentFacts {
  readonly segment: number
  readonly bytes: number
  readonly blocks: number
}

export interface VerifyResult {
  readonly blocks: number
  readonly bytes: number
  readonly damaged: number
}

const segmentPattern = /^segment-(\d{8})\.kv$/

export class DiskTier {
  readonly directory: string
  readonly limitBytes: number
  readonly #segmentBytes: number
  readonly #readOnly: boolean
  readonly #places = new Map<BlockKey, BlockPlace>()
  /** Bytes of each segment, oldest first. */
  readonly #segments = new Map<number, number>()
  readonly #readers = new Map<number, number>()
  #index: number | null = null
  #writer: number | null = null
  #damaged = 0
  #evicted = 0

  /** @throws {EngineError} `ENGINE_CACHE_IN_USE`, `ENGINE_CACHE_UNREADABLE` */
  constructor(directory: string, options: DiskTierOptions = {}) {
    this.directory = directory
    this.limitBytes = options.limitBytes ?? 2 ** 30
    this.#segmentBytes = options.segmentBytes ?? Math.max(1, Math.min(2 ** 26, Math.floor(this.limitBytes / 8)))
    this.#readOnly = options.readOnly ?? false
    checkFolder(directory)
    if (!this.#readOnly) {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      takeLock(directory)
    }
    this.#open()
  }

  get bytes(): number {
    let sum = 0
    for (const bytes of this.#segments.values()) sum += bytes
    return sum
  }

  get blocks(): number {
    return this.#places.size
  }

  /** Blocks that were given up because their bytes were not what was written. */
  get damaged(): number {
    return this.#damaged
  }

  /** Blocks that left to make room. */
  get evicted(): number {
    return this.#evicted
  }

  has(key: BlockKey): boolean {
    return this.#places.has(key)
  }

  hasTail(key: BlockKey): boolean {
    return (this.#places.get(key)?.tailBytes ?? 0) > 0
  }

  segments(): SegmentFacts[] {
    const blocks = new Map<number, number>()
    for (const { segment } of this.#places.values()) blocks.set(segment, (blocks.get(segment) ?? 0) + 1)
    return [...this.#segments].map(([segment, bytes]) => ({ segment, bytes, blocks: blocks.get(segment) ?? 0 }))
  }

  /** Rows alone for blocks in mid-prefix would not be checked by the checksum, so both parts are read together. */
  get(key: BlockKey): KeptBlock | null {
    const place = this.#places.get(key)
    if (place === undefined) return null
    const block = this.#read(place)
    if (block === null) {
      this.#places.delete(key)
      this.#damaged++
    }
    return block
  }

  /** Appends a block, also one that is here without its tail. A full disk or an unwritable folder loses the block, not the request that made it. */
  put(key: BlockKey, block: KeptBlock): void {
    const { rows, tail } = block
    const isKnown = this.#places.has(key) && (tail === null || this.hasTail(key))
    if (this.#readOnly || isKnown) return
    const tailBytes = tail?.length ?? 0
    const length = headBytes + rows.length + tailBytes
    if (length > this.limitBytes) return
    try {
      const segment = this.#segmentFor()
      const offset = this.#segments.get(segment)!
      const place: BlockPlace = {
        key,
        segment,
        offset,
        rowsBytes: rows.length,
        tailBytes,
        checksum: checksumOf(block),
      }
      const head = encodeHead(place)
      writeAll(this.#writer!, Buffer.concat([head, rows, ...(tail === null ? [] : [tail])]), offset)
      this.#segments.set(segment, offset + length)
      writeAll(this.#index!, head, null)
      this.#places.set(key, place)
      while (this.bytes > this.limitBytes && this.#segments.size > 1) this.#dropOldest()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }

  /** Reads every block. Damaged ones are forgotten. */
  verify(): VerifyResult {
    let bytes = 0
    let damaged = 0
    for (const place of this.#places.values()) {
      if (this.get(place.key) === null) damaged++
      else bytes += wholeBytes(place)
    }
    return { blocks: this.#places.size, bytes, damaged }
  }

  clear(): void {
    this.#closeFiles()
    for (const name of readdirSync(this.directory))
      if (segmentPattern.test(name) || name === 'index') rmSync(join(this.directory, name), { force: true })
    this.#places.clear()
    this.#segments.clear()
    this.#open()
  }

  close(): void {
    this.#closeFiles()
    if (!this.#readOnly) rmSync(join(this.directory, 'lock'), { force: true })
  }

  // -------------------------------------------------------------------------------------------- files

  #pathOf(segment: number): string {
    return join(this.directory, `segment-${String(segment).padStart(8, '0')}.kv`)
  }

  #open(): void {
    const names = existsSync(this.directory) ? readdirSync(this.directory) : []
    const found = names.flatMap((name) => segmentPattern.exec(name)?.[1] ?? []).map(Number)
    for (const segment of found.sort((a, b) => a - b)) this.#segments.set(segment, statSync(this.#pathOf(segment)).size)
    const indexPath = join(this.directory, 'index')
    const index = existsSync(indexPath) ? readFileSync(indexPath) : null
    const good = index === null ? 0 : this.#readIndex(index)
    // A lost index is made again from the heads in the segments.
    if (index === null && found.length > 0) this.#scanSegments()
    if (this.#readOnly) return
    const stale = index === null || good !== index.length || good / headBytes > 2 * this.#places.size + 1000
    if (stale) {
      const fresh = `${indexPath}.new`
      writeFileSync(fresh, Buffer.concat([...this.#places.values()].map(encodeHead)))
      renameSync(fresh, indexPath)
    }
    this.#index = openSync(indexPath, 'a')
    while (this.bytes > this.limitBytes && this.#segments.size > 1) this.#dropOldest()
  }

  /** Takes over entries up to the first that is torn, of blocks that lie wholly inside their segments. */
  #readIndex(index: Buffer): number {
    let at = 0
    for (; at + headBytes <= index.length; at += headBytes) {
      const place = decodeHead(index, at)
      if (place === null) break
      const size = this.#segments.get(place.segment)
      if (size !== undefined && place.offset + wholeBytes(place) <= size) this.#places.set(place.key, place)
    }
    return at
  }

  #scanSegments(): void {
    const head = Buffer.alloc(headBytes)
    for (const [segment, size] of this.#segments) {
      for (let at = 0; at + headBytes <= size;) {
        if (readSync(this.#reader(segment), head, 0, headBytes, at) < headBytes) break
        const place = decodeHead(head, 0)
        if (place === null || place.segment !== segment || place.offset !== at || at + wholeBytes(place) > size) break
        this.#places.set(place.key, place)
        at += wholeBytes(place)
      }
    }
  }

  #segmentFor(): number {
    const newest = [...this.#segments.keys()].at(-1)
    if (this.#writer !== null && this.#segments.get(newest!)! < this.#segmentBytes) return newest!
    if (this.#writer !== null) closeSync(this.#writer)
    this.#writer = null
    // What a crash left at a segment's end is not written over: a new process begins a new segment, unless the last
    // one is whole up to its end and small.
    const last = newest === undefined ? null : this.#segments.get(newest)!
    const continues = last !== null && last < this.#segmentBytes && this.#endOf(newest!) === last
    const segment = continues ? newest! : (newest ?? 0) + 1
    this.#writer = openSync(this.#pathOf(segment), continues ? 'r+' : 'wx+', 0o600)
    if (!continues) {
      ftruncateSync(this.#writer, 0)
      this.#segments.set(segment, 0)
    }
    return segment
  }

  /** Where the last known block of a segment ends. */
  #endOf(segment: number): number {
    let end = 0
    for (const place of this.#places.values())
      if (place.segment === segment) end = Math.max(end, place.offset + wholeBytes(place))
    return end
  }

  #dropOldest(): void {
    const oldest = this.#segments.keys().next().value!
    const reader = this.#readers.get(oldest)
    if (reader !== undefined) closeSync(reader)
    this.#readers.delete(oldest)
    this.#segments.delete(oldest)
    rmSync(this.#pathOf(oldest), { force: true })
    for (const place of this.#places.values())
      if (place.segment === oldest) {
        this.#places.delete(place.key)
        this.#evicted++
      }
  }

  #reader(segment: number): number {
    const known = this.#readers.get(segment)
    if (known !== undefined) return known
    const opened = openSync(this.#pathOf(segment), 'r')
    this.#readers.set(segment, opened)
    return opened
  }

  #read(place: BlockPlace): KeptBlock | null {
    try {
      const whole = Buffer.alloc(wholeBytes(place))
      if (readSync(this.#reader(place.segment), whole, 0, whole.length, place.offset) < whole.length) return null
      const head = decodeHead(whole, 0)
      if (head === null || head.key !== place.key) return null
      const rows = whole.subarray(headBytes, headBytes + place.rowsBytes)
      const tail = place.tailBytes === 0 ? null : whole.subarray(headBytes + place.rowsBytes)
      return checksumOf({ rows, tail }) === place.checksum ? { rows, tail } : null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      return null
    }
  }

  #closeFiles(): void {
    for (const file of [...this.#readers.values(), this.#index, this.#writer]) if (file !== null) closeSync(file)
    this.#readers.clear()
    this.#index = null
    this.#writer = null
  }
}

function writeAll(file: number, bytes: Buffer, position: number | null): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, bytes.length - done, position === null ? null : position + done)
}

/** A folder with other people's files in it is no cache: `clear` would be a bad surprise there. */
function checkFolder(directory: string): void {
  if (!existsSync(directory)) return
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    throw new EngineError('ENGINE_CACHE_UNREADABLE', `${directory} is not a folder that can be read.`, { cause: error })
  }
  const foreign = names.find((name) => !segmentPattern.test(name) && !['index', 'index.new', 'lock'].includes(name))
  if (foreign !== undefined)
    throw new EngineError('ENGINE_CACHE_UNREADABLE', `${directory} holds ${foreign}, so it is not a prefix cache.`)
}

function takeLock(directory: string): void {
  const path = join(directory, 'lock')
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = Number(readFileSync(path, 'utf8'))
      // In a container every run may have the same process id, so our own is a leftover as well.
      if (holder !== process.pid && isAlive(holder))
        throw new EngineError('ENGINE_CACHE_IN_USE', `Process ${holder} writes to the prefix cache ${directory}.`)
      rmSync(path, { force: true })
    }
  }
  throw new EngineError('ENGINE_CACHE_IN_USE', `The prefix cache ${directory} is being taken by another process.`)
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
