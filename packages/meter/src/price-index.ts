/**
 * Which record answers for a name: by the instant of the request, or as it was known at an earlier day.
 *
 * A bill asks one axis: charged records of one rank never overlap (checked here), and a promotion outranks the
 * list it is stacked on. A forecast asks two: a record counts once it was announced and until it was withdrawn;
 * its end counts once that was announced, before which it ends where its announcement said or not at all; of the
 * records in sight the one that starts last is the one that was said last about that instant. So nothing that
 * was learnt later leaks into what a forecast of an earlier day may use.
 */
import { MeterError } from './errors.ts'
import { promoted } from './promotion.ts'
import { chargedStatuses, isoInstant, type PriceRecord } from './price-record.ts'

/** One name (model or alias) of one record, for as long as the name means it. */
interface NamedInterval {
  readonly fromMs: number
  readonly untilMs: number
  readonly record: PriceRecord
}

/** The same with what was known of it and when. */
interface KnownInterval extends NamedInterval {
  /** Since this instant `untilMs` is known; before it, `saidUntilMs` is believed. */
  readonly endKnownMs: number
  readonly saidUntilMs: number
}

export interface NameIntervals {
  /** Promotions first, then by start. */
  readonly charged: readonly NamedInterval[]
  /** Promotions first, then latest start first. */
  readonly known: readonly KnownInterval[]
  /** Lists that a promotion suspends: never charged, but what a factor may be of. */
  readonly suspended: readonly KnownInterval[]
}

/** vendor -> currency -> name. */
export type PriceIndex = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, NameIntervals>>>

export interface DatedAlias {
  readonly vendor: string
  readonly name: string
  readonly model: string
  readonly fromMs: number
  readonly untilMs: number
}

/** @param knownAtMs only what had been announced by then; absent: what was charged. */
export function recordAt(intervals: NameIntervals, atMs: number, knownAtMs?: number): PriceRecord | null {
  const { charged, known, suspended } = intervals
  const inForce = ({ fromMs, untilMs }: NamedInterval): boolean => atMs >= fromMs && atMs < untilMs
  const inSight = (interval: KnownInterval): boolean =>
    knownAtMs === undefined
      ? inForce(interval)
      : isKnown(interval, knownAtMs) && atMs >= interval.fromMs && atMs < endAsKnown(interval, knownAtMs)
  const found = knownAtMs === undefined ? charged.find(inForce) : known.find(inSight)
  if (found === undefined) return null
  if (found.record.baseFactor === null) return found.record
  const list =
    knownAtMs === undefined
      ? charged.find((interval) => rank(interval) === 1 && inForce(interval))
      : known.find((interval) => rank(interval) === 1 && inSight(interval))
  const base = list ?? suspended.find(inSight)
  return base === undefined ? null : promoted(found.record, base.record)
}

/** A promotion that follows its base, once for each base; any other record as it is. */
export function spelledOut(index: PriceIndex, record: PriceRecord): readonly PriceRecord[] {
  const intervals = index.get(record.vendor)?.get(record.currency)?.get(record.model)
  if (record.baseFactor === null || intervals === undefined) return [record]
  const end = record.untilMs ?? Infinity
  const starts = edgesOf(intervals).filter((edge) => edge >= record.fromMs && edge < end)
  const pieces: PriceRecord[] = []
  for (const [at, fromMs] of starts.entries()) {
    const found = recordAt(intervals, fromMs)
    const untilMs = starts[at + 1] ?? record.untilMs
    const last = pieces.at(-1)
    if (found === null) continue
    if (last?.hash === found.hash) pieces[pieces.length - 1] = { ...last, untilMs }
    else pieces.push({ ...found, fromMs, untilMs })
  }
  return pieces
}

/** Every instant at which the answer of `recordAt` may change, in order. */
export function edgesOf(intervals: NameIntervals, knownAtMs?: number): readonly number[] {
  const edges = new Set<number>()
  const { charged, known, suspended } = intervals
  if (knownAtMs === undefined)
    for (const { fromMs, untilMs } of [...charged, ...suspended]) edges.add(fromMs).add(untilMs)
  else
    for (const interval of [...known, ...suspended])
      if (isKnown(interval, knownAtMs)) edges.add(interval.fromMs).add(endAsKnown(interval, knownAtMs))
  return [...edges].sort((a, b) => a - b)
}

function isKnown({ record }: KnownInterval, knownAtMs: number): boolean {
  return record.announcedMs <= knownAtMs && (record.withdrawnMs === null || knownAtMs < record.withdrawnMs)
}

function endAsKnown({ endKnownMs, untilMs, saidUntilMs }: KnownInterval, knownAtMs: number): number {
  return knownAtMs >= endKnownMs ? untilMs : saidUntilMs
}

// ------------------------------------------------------------------------------------------- building

/** @throws {MeterError} METER_OVERLAPPING_PRICES with both record ids. */
export function buildIndex(records: readonly PriceRecord[], aliases: readonly DatedAlias[]): PriceIndex {
  const places = new Map<string, Map<string, Map<string, Placed[]>>>()
  const place = (name: string, record: PriceRecord, fromMs: number, untilMs: number, aliasUntilMs: number): void => {
    if (fromMs >= untilMs) return
    const currencies = mapAt(places, record.vendor, () => new Map<string, Map<string, Placed[]>>())
    const names = mapAt(currencies, record.currency, () => new Map<string, Placed[]>())
    mapAt(names, name, () => []).push({ fromMs, untilMs, record, aliasUntilMs })
  }
  const aliasesOf = Map.groupBy(aliases, ({ vendor, model }) => `${vendor}\0${model}`)
  for (const record of records) {
    const untilMs = record.untilMs ?? Infinity
    for (const name of new Set([record.model, ...record.aliases])) place(name, record, record.fromMs, untilMs, Infinity)
    for (const alias of aliasesOf.get(`${record.vendor}\0${record.model}`) ?? [])
      place(alias.name, record, Math.max(alias.fromMs, record.fromMs), Math.min(alias.untilMs, untilMs), alias.untilMs)
  }
  return mapValues(places, (currencies) =>
    mapValues(currencies, (names) => mapValues(names, (placed, name) => intervalsOf(name, placed))),
  )
}

interface Placed extends NamedInterval {
  readonly aliasUntilMs: number
}

function intervalsOf(name: string, placed: readonly Placed[]): NameIntervals {
  const charged = placed
    .filter(({ record }) => chargedStatuses.has(record.status))
    .sort((a, b) => rank(a) - rank(b) || a.fromMs - b.fromMs)
  refuseOverlaps(name, charged)
  const known = placed
    .filter(({ record }) => chargedStatuses.has(record.status) || record.withdrawnMs !== null)
    .map((interval) => withKnownEnd(interval, placed))
    .sort((a, b) => rank(a) - rank(b) || b.fromMs - a.fromMs)
  refuseRivals(name, known)
  const suspended = placed
    .filter(({ record }) => record.status === 'list_suspended_by_promo')
    .map((interval) => withKnownEnd(interval, placed))
    .sort((a, b) => b.fromMs - a.fromMs)
  refuseBaseless(name, charged, suspended)
  return { charged, known, suspended }
}

/** A promotion outranks the list it interrupts. */
function rank({ record }: NamedInterval): number {
  return record.status === 'promo' ? 0 : 1
}

/** A list price ends when its successor says so; a promotion is announced with its end. */
function withKnownEnd(interval: Placed, all: readonly Placed[]): KnownInterval {
  const { record, fromMs, untilMs, aliasUntilMs } = interval
  const said = record.announcedUntilMs ?? (record.status === 'promo' ? untilMs : Infinity)
  const saidUntilMs = Math.min(said, aliasUntilMs)
  const successors = all.filter((other) => other.fromMs === untilMs && rank(other) === rank(interval))
  const announced = Math.min(untilMs, ...successors.map((other) => other.record.announcedMs))
  return { fromMs, untilMs, record, saidUntilMs, endKnownMs: record.endAnnouncedMs ?? announced }
}

function refuseOverlaps(name: string, sorted: readonly NamedInterval[]): void {
  for (const rankOfList of [0, 1]) {
    let reach: NamedInterval | null = null
    for (const interval of sorted) {
      if (rank(interval) !== rankOfList) continue
      // One record may hold a name twice: listed in the record and in the alias table.
      if (reach !== null && interval.fromMs < reach.untilMs && interval.record.id !== reach.record.id)
        throw new MeterError(
          'METER_OVERLAPPING_PRICES',
          `"${reach.record.id}" and "${interval.record.id}" both price "${name}" at ${isoInstant(interval.fromMs)}.`,
        )
      if (reach === null || interval.untilMs > reach.untilMs) reach = interval
    }
  }
}

/** A factor of nothing is no price: the whole of such a promotion must lie over list prices. */
function refuseBaseless(name: string, charged: readonly NamedInterval[], suspended: readonly NamedInterval[]): void {
  const bases = [...charged.filter((interval) => rank(interval) === 1), ...suspended].sort(
    (a, b) => a.fromMs - b.fromMs,
  )
  for (const { record, fromMs, untilMs } of charged) {
    if (record.baseFactor === null) continue
    let reach = fromMs
    for (const base of bases) if (base.fromMs <= reach && base.untilMs > reach) reach = base.untilMs
    if (reach < untilMs)
      throw new MeterError(
        'METER_BAD_PRICE_FILE',
        `"${record.id}" is a factor of the list price of "${name}", and there is none in its file at ${isoInstant(reach)}.`,
        { at: record.id },
      )
  }
}

/** Two announcements for one start that were in sight together: which was believed would depend on chance. */
function refuseRivals(name: string, sorted: readonly KnownInterval[]): void {
  for (const [index, a] of sorted.entries())
    for (const b of sorted.slice(index + 1)) {
      if (rank(a) !== rank(b) || b.fromMs !== a.fromMs) break
      if (a.record.id === b.record.id) continue
      const fromMs = Math.max(a.record.announcedMs, b.record.announcedMs)
      if (fromMs < Math.min(a.record.withdrawnMs ?? Infinity, b.record.withdrawnMs ?? Infinity))
        throw new MeterError(
          'METER_OVERLAPPING_PRICES',
          `"${a.record.id}" and "${b.record.id}" both price "${name}" from ${isoInstant(a.fromMs)}, as known at ${isoInstant(fromMs)}.`,
        )
    }
}

function mapAt<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}

function mapValues<K, V, W>(map: ReadonlyMap<K, V>, change: (value: V, key: K) => W): Map<K, W> {
  return new Map([...map].map(([key, value]) => [key, change(value, key)]))
}
