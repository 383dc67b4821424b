/**
 * Softmax attention of many heads over gathered cache rows, with a sink: rows are decoded here, once a task.
 *
 * Arguments: 0 queries [tokens, heads, width] | 4 heads | 8 width | 12 rotating dimensions (0: rows are f32)
 *   16 row addresses, all tokens' lists one after another | 20 list ends [tokens] | 24 sinks [heads] | 28 out
 * A task is a range of (token, head). Rows come in tiles of 16; a running maximum rescales what is summed
 * (online softmax), and the sink joins the denominator at the end.
 * Scratch: rows [16, width] | scores [heads of the task, 16] | maxima, denominators [heads of the task].
 */
import { E4M3_VALUES, UE8M0_VALUES, exp1, exp4, madd, maxLanes, sumLanes } from './lanes'

const TILE: i32 = 16

/** E4M3 codes | BF16 rotating dimensions | one UE8M0 per 64 codes. */
function decodeRow(row: usize, to: usize, width: i32, rotating: i32): void {
  const plain = width - rotating
  const scales = row + <usize>(plain + 2 * rotating)
  for (let start = 0; start < plain; start += 64) {
    const scale = load<f32>(UE8M0_VALUES + ((<usize>load<u8>(scales + (start >> 6))) << 2))
    const end = min(start + 64, plain)
    for (let dim = start; dim < end; dim++) {
      store<f32>(to + (dim << 2), scale * load<f32>(E4M3_VALUES + ((<usize>load<u8>(row + dim)) << 2)))
    }
  }
  const codes = row + plain
  for (let dim = 0; dim < rotating; dim++)
    store<u32>(to + ((plain + dim) << 2), (<u32>load<u16>(codes + (dim << 1))) << 16)
}

/** Scores of two heads against four rows: eight dot products at once. For one head, both are the same. */
function scoreFour(one: usize, two: usize, rows: usize, width: i32, toOne: usize, toTwo: usize): void {
  const bytes = (<usize>width) << 2
  const row1 = rows + bytes
  const row2 = row1 + bytes
  const row3 = row2 + bytes
  let a0 = f32x4.splat(0)
  let a1 = a0
  let a2 = a0
  let a3 = a0
  let b0 = a0
  let b1 = a0
  let b2 = a0
  let b3 = a0
  let at: usize = 0
  const whole = bytes & ~15
  for (; at < whole; at += 16) {
    const q = v128.load(one + at)
    const r = v128.load(two + at)
    const k0 = v128.load(rows + at)
    a0 = madd(q, k0, a0)
    b0 = madd(r, k0, b0)
    const k1 = v128.load(row1 + at)
    a1 = madd(q, k1, a1)
    b1 = madd(r, k1, b1)
    const k2 = v128.load(row2 + at)
    a2 = madd(q, k2, a2)
    b2 = madd(r, k2, b2)
    const k3 = v128.load(row3 + at)
    a3 = madd(q, k3, a3)
    b3 = madd(r, k3, b3)
  }
  let s0 = sumLanes(a0)
  let s1 = sumLanes(a1)
  let s2 = sumLanes(a2)
  let s3 = sumLanes(a3)
  let t0 = sumLanes(b0)
  let t1 = sumLanes(b1)
  let t2 = sumLanes(b2)
  let t3 = sumLanes(b3)
  for (; at < bytes; at += 4) {
    const q = load<f32>(one + at)
    const r = load<f32>(two + at)
    s0 += q * load<f32>(rows + at)
    s1 += q * load<f32>(row1 + at)
    s2 += q * load<f32>(row2 + at)
    s3 += q * load<f32>(row3 + at)
    t0 += r * load<f32>(rows + at)
    t1 += r * load<f32>(row1 + at)
    t2 += r * load<f32>(row2 + at)
    t3 += r * load<f32>(row3 + at)
  }
  store<f32>(toOne, s0)
  store<f32>(toOne, s1, 4)
  store<f32>(toOne, s2, 8)
  store<f32>(toOne, s3, 12)
  store<f32>(toTwo, t0)
  store<f32>(toTwo, t1, 4)
  store<f32>(toTwo, t2, 8)
  store<f32>(toTwo, t3, 12)
}

/** out += weights . rows for one head, dimension by dimension: what pairs of vectors leave over. */
function addRest(weights: usize, rows: usize, bytes: usize, at: usize, out: usize): void {
  const end = weights + 64
  for (; at + 16 <= bytes; at += 16) {
    let sum = v128.load(out + at)
    let row = rows + at
    for (let weight = weights; weight < end; weight += 4) {
      sum = madd(v128.load32_splat(weight), v128.load(row), sum)
      row += bytes
    }
    v128.store(out + at, sum)
  }
  for (; at < bytes; at += 4) {
    let sum = load<f32>(out + at)
    let row = rows + at
    for (let weight = weights; weight < end; weight += 4) {
      sum += load<f32>(weight) * load<f32>(row)
      row += bytes
    }
    store<f32>(out + at, sum)
  }
}

/** out += weights . rows for two heads whose weights lie 64 bytes apart, 16 dimensions at a time over all 16 rows. */
function addWeighted(weights: usize, rows: usize, width: i32, out: usize): void {
  const bytes = (<usize>width) << 2
  const next = out + bytes
  const end = weights + 64
  let at: usize = 0
  for (; at + 64 <= bytes; at += 64) {
    let o0 = v128.load(out + at)
    let o1 = v128.load(out + at, 16)
    let o2 = v128.load(out + at, 32)
    let o3 = v128.load(out + at, 48)
    let p0 = v128.load(next + at)
    let p1 = v128.load(next + at, 16)
    let p2 = v128.load(next + at, 32)
    let p3 = v128.load(next + at, 48)
    let row = rows + at
    for (let weight = weights; weight < end; weight += 4) {
      const w = v128.load32_splat(weight)
      const u = v128.load32_splat(weight, 64)
      const r0 = v128.load(row)
      o0 = madd(w, r0, o0)
      p0 = madd(u, r0, p0)
      const r1 = v128.load(row, 16)
      o1 = madd(w, r1, o1)
      p1 = madd(u, r1, p1)
      const r2 = v128.load(row, 32)
      o2 = madd(w, r2, o2)
      p2 = madd(u, r2, p2)
      const r3 = v128.load(row, 48)
      o3 = madd(w, r3, o3)
      p3 = madd(u, r3, p3)
      row += bytes
    }
    v128.store(out + at, o0)
    v128.store(out + at, o1, 16)
    v128.store(out + at, o2, 32)
    v128.store(out + at, o3, 48)
    v128.store(next + at, p0)
    v128.store(next + at, p1, 16)
    v128.store(next + at, p2, 32)
    v128.store(next + at, p3, 48)
  }
  addRest(weights, rows, bytes, at, out)
  addRest(weights + 64, rows, bytes, at, next)
}

function multiplyBy(out: usize, width: i32, factor: f32): void {
  const factors = f32x4.splat(factor)
  let dim = 0
  for (; dim + 4 <= width; dim += 4) v128.store(out + (dim << 2), f32x4.mul(factors, v128.load(out + (dim << 2))))
  for (; dim < width; dim++) store<f32>(out + (dim << 2), factor * load<f32>(out + (dim << 2)))
}

function attendHeads(args: usize, token: i32, fromHead: i32, toHead: i32, scratch: usize): void {
  const heads = load<i32>(args, 4)
  const width = load<i32>(args, 8)
  const rotating = load<i32>(args, 12)
  const ends = load<usize>(args, 20)
  const first = token == 0 ? 0 : load<i32>(ends + ((<usize>(token - 1)) << 2))
  const count = load<i32>(ends + ((<usize>token) << 2)) - first
  const list = load<usize>(args, 16) + ((<usize>first) << 2)
  const bytes = (<usize>width) << 2
  const mine = toHead - fromHead
  const start = <usize>(token * heads + fromHead) * bytes
  const queries = load<usize>(args) + start
  const outs = load<usize>(args, 28) + start
  const rows = scratch
  const scores = rows + <usize>TILE * bytes
  const maxima = scores + <usize>mine * 64
  const denominators = maxima + ((<usize>mine) << 2)
  const scale: f32 = 1 / sqrt<f32>(<f32>width)
  memory.fill(outs, 0, <usize>mine * bytes)
  for (let head = 0; head < mine; head++) {
    store<f32>(maxima + (head << 2), -Infinity)
    store<f32>(denominators + (head << 2), 0)
  }
  for (let tile = 0; tile < count; tile += TILE) {
    const filled = min(TILE, count - tile)
    for (let row = 0; row < TILE; row++) {
      const to = rows + <usize>row * bytes
      if (row >= filled) memory.fill(to, 0, bytes)
      else {
        const from = load<usize>(list + ((<usize>(tile + row)) << 2))
        if (rotating == 0) memory.copy(to, from, bytes)
        else decodeRow(from, to, width, rotating)
      }
    }
    for (let head = 0; head < mine; head += 2) {
      const score = scores + <usize>head * 64
      const query = queries + <usize>head * bytes
      const paired = head + 1 < mine
      const other = paired ? query + bytes : query
      const otherScore = paired ? score + 64 : score
      for (let row: usize = 0; row < <usize>TILE; row += 4)
        scoreFour(query, other, rows + row * bytes, width, score + (row << 2), otherScore + (row << 2))
    }
    for (let head = 0; head < mine; head++) {
      const score = scores + <usize>head * 64
      for (let row = 0; row < TILE; row++)
        store<f32>(score + (row << 2), row < filled ? load<f32>(score + (row << 2)) * scale : -Infinity)
      const s0 = v128.load(score)
      const s1 = v128.load(score, 16)
      const s2 = v128.load(score, 32)
      const s3 = v128.load(score, 48)
      const before = load<f32>(maxima + (head << 2))
      const now = max<f32>(before, maxLanes(f32x4.max(f32x4.max(s0, s1), f32x4.max(s2, s3))))
      const out = outs + <usize>head * bytes
      let denominator = load<f32>(denominators + (head << 2))
      if (now != before) {
        // The first tile finds nothing summed; exp(-inf) is 0 and 0 * 0 stays 0.
        const shrink = exp1(before - now)
        denominator *= shrink
        if (tile > 0) multiplyBy(out, width, shrink)
        store<f32>(maxima + (head << 2), now)
      }
      const most = f32x4.splat(now)
      const e0 = exp4(f32x4.sub(s0, most))
      const e1 = exp4(f32x4.sub(s1, most))
      const e2 = exp4(f32x4.sub(s2, most))
      const e3 = exp4(f32x4.sub(s3, most))
      v128.store(score, e0)
      v128.store(score, e1, 16)
      v128.store(score, e2, 32)
      v128.store(score, e3, 48)
      store<f32>(denominators + (head << 2), denominator + sumLanes(f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3))))
    }
    let head = 0
    for (; head + 2 <= mine; head += 2) addWeighted(scores + <usize>head * 64, rows, width, outs + <usize>head * bytes)
    if (head < mine) addRest(scores + <usize>head * 64, rows, bytes, 0, outs + <usize>head * bytes)
  }
  for (let head = 0; head < mine; head++) {
    const sink = load<f32>(load<usize>(args, 24) + ((<usize>(fromHead + head)) << 2))
    const denominator = load<f32>(denominators + (head << 2)) + exp1(sink - load<f32>(maxima + (head << 2)))
    multiplyBy(outs + <usize>head * bytes, width, 1 / denominator)
  }
}

export function attend(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const heads = load<i32>(args, 4)
  while (lo < hi) {
    const token = lo / heads
    const from = lo - token * heads
    const to = min(heads, from + hi - lo)
    attendHeads(args, token, from, to, scratch)
    lo += to - from
  }
}
