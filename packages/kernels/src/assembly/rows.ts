/**
 * Kernels over rows of floats: normalisation, rotation, softmax, gating, sums, Sinkhorn. A task is a range of
 * rows unless said otherwise.
 */
import { exp1, exp4, madd } from './lanes'

/** 0 values | 4 width | 8 weight [width] or 0 | 12 epsilon (f32). In place; squares are summed in f64. */
export function normaliseRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const width = load<i32>(args, 4)
  const weight = load<usize>(args, 8)
  const epsilon = <f64>load<f32>(args, 12)
  for (let row = lo; row < hi; row++) {
    const start = load<usize>(args) + <usize>row * <usize>width * 4
    let a = f64x2.splat(0)
    let b = f64x2.splat(0)
    let dim = 0
    for (; dim + 4 <= width; dim += 4) {
      const v = v128.load(start + (dim << 2))
      const low = f64x2.promote_low_f32x4(v)
      const high = f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 0, 1))
      a = f64x2.add(a, f64x2.mul(low, low))
      b = f64x2.add(b, f64x2.mul(high, high))
    }
    a = f64x2.add(a, b)
    let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
    for (; dim < width; dim++) {
      const value = <f64>load<f32>(start + (dim << 2))
      sum += value * value
    }
    const factor = 1 / sqrt<f64>(sum / <f64>width + epsilon)
    const factors = f32x4.splat(<f32>factor)
    dim = 0
    for (; dim + 4 <= width; dim += 4) {
      const v = f32x4.mul(factors, v128.load(start + (dim << 2)))
      v128.store(start + (dim << 2), weight == 0 ? v : f32x4.mul(v, v128.load(weight + (dim << 2))))
    }
    for (; dim < width; dim++) {
      const value = <f32>factor * load<f32>(start + (dim << 2))
      store<f32>(start + (dim << 2), weight == 0 ? value : value * load<f32>(weight + (dim << 2)))
    }
  }
}

/**
 * 0 values | 4 floats between rows | 8 first dimension | 12 dimensions, even | 16 cosine, sine pairs
 * [tables, dimensions] | 20 rows per table | 24 sign of the sine (f32): 1 turns, -1 turns back. In place.
 */
export function rotateRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const stride = (<usize>load<i32>(args, 4)) << 2
  const first = (<usize>load<i32>(args, 8)) << 2
  const dims = load<i32>(args, 12)
  const perTable = load<i32>(args, 20)
  const sign = load<f32>(args, 24)
  for (let row = lo; row < hi; row++) {
    const values = load<usize>(args) + <usize>row * stride + first
    const table = load<usize>(args, 16) + <usize>(row / perTable) * <usize>dims * 4
    for (let at: usize = 0; at < (<usize>dims) << 2; at += 8) {
      const cosine = load<f32>(table + at)
      const sine = sign * load<f32>(table + at, 4)
      const a = load<f32>(values + at)
      const b = load<f32>(values + at, 4)
      store<f32>(values + at, a * cosine - b * sine)
      store<f32>(values + at, a * sine + b * cosine, 4)
    }
  }
}

/** 0 values | 4 width | 8 sink of each row, or 0 for none. In place. */
export function softmaxRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const width = load<i32>(args, 4)
  const sinks = load<usize>(args, 8)
  for (let row = lo; row < hi; row++) {
    const start = load<usize>(args) + <usize>row * <usize>width * 4
    let largest: f32 = -Infinity
    for (let at = 0; at < width; at++) largest = max<f32>(largest, load<f32>(start + (at << 2)))
    let sum: f64 = sinks == 0 ? 0 : <f64>exp1(load<f32>(sinks + ((<usize>row) << 2)) - largest)
    const most = f32x4.splat(largest)
    let at = 0
    for (; at + 4 <= width; at += 4) {
      const e = exp4(f32x4.sub(v128.load(start + (at << 2)), most))
      v128.store(start + (at << 2), e)
      sum += <f64>f32x4.extract_lane(e, 0) + <f64>f32x4.extract_lane(e, 1)
      sum += <f64>f32x4.extract_lane(e, 2) + <f64>f32x4.extract_lane(e, 3)
    }
    for (; at < width; at++) {
      const e = exp1(load<f32>(start + (at << 2)) - largest)
      store<f32>(start + (at << 2), e)
      sum += <f64>e
    }
    const factor = <f32>(1 / sum)
    for (at = 0; at < width; at++) store<f32>(start + (at << 2), factor * load<f32>(start + (at << 2)))
  }
}

/**
 * Gated experts: gate = weight * silu(min(gate, limit)) * clamp(up, limit), in place.
 * 0 gate | 4 up | 8 width | 12 weights [rows] or 0 | 16 limit (f32)
 */
export function gateRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const width = load<i32>(args, 8)
  const weights = load<usize>(args, 12)
  const limit = load<f32>(args, 16)
  const most = f32x4.splat(limit)
  const least = f32x4.splat(-limit)
  const one = f32x4.splat(1)
  for (let row = lo; row < hi; row++) {
    const start = <usize>row * <usize>width * 4
    const gate = load<usize>(args) + start
    const up = load<usize>(args, 4) + start
    const weight: f32 = weights == 0 ? 1 : load<f32>(weights + ((<usize>row) << 2))
    const w = f32x4.splat(weight)
    let at = 0
    for (; at + 4 <= width; at += 4) {
      const a = f32x4.min(v128.load(gate + (at << 2)), most)
      const b = f32x4.min(f32x4.max(v128.load(up + (at << 2)), least), most)
      const value = f32x4.mul(f32x4.mul(w, a), b)
      v128.store(gate + (at << 2), f32x4.div(value, f32x4.add(one, exp4(f32x4.neg(a)))))
    }
    for (; at < width; at++) {
      const a = min<f32>(load<f32>(gate + (at << 2)), limit)
      const b = min<f32>(limit, max<f32>(-limit, load<f32>(up + (at << 2))))
      store<f32>(gate + (at << 2), (weight * a * b) / (1 + exp1(-a)))
    }
  }
}

/**
 * Adds rows to chosen rows: out[index[row]] += from[row]. A task is a range of blocks of 64 dimensions, and runs
 * the rows in order, so that rows may meet. 0 out | 4 from | 8 width | 12 indices [rows] | 16 rows
 */
export function addRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const width = load<i32>(args, 8)
  const indices = load<usize>(args, 12)
  const rows = load<i32>(args, 16)
  const first = lo << 6
  const last = min(width, hi << 6)
  for (let row = 0; row < rows; row++) {
    const out = load<usize>(args) + <usize>load<i32>(indices + ((<usize>row) << 2)) * <usize>width * 4
    const from = load<usize>(args, 4) + <usize>row * <usize>width * 4
    let dim = first
    for (; dim + 4 <= last; dim += 4) {
      const at = (<usize>dim) << 2
      v128.store(out + at, f32x4.add(v128.load(out + at), v128.load(from + at)))
    }
    for (; dim < last; dim++) {
      const at = (<usize>dim) << 2
      store<f32>(out + at, load<f32>(out + at) + load<f32>(from + at))
    }
  }
}

/**
 * Sinkhorn: a row softmax plus epsilon, then column and row passes in turn. 0 matrices [count, size, size]
 * | 4 size, at most 16 | 8 column passes | 12 epsilon (f32). In place; f64 inside, in scratch.
 */
export function sinkhorn(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const size = load<i32>(args, 4)
  const passes = load<i32>(args, 8)
  const epsilon = <f64>load<f32>(args, 12)
  const cells = size * size
  for (let matrix = lo; matrix < hi; matrix++) {
    const values = load<usize>(args) + <usize>(matrix * cells) * 4
    for (let row = 0; row < size; row++) {
      let largest: f64 = -Infinity
      for (let at = row * size; at < (row + 1) * size; at++)
        largest = max<f64>(largest, <f64>load<f32>(values + (at << 2)))
      let sum: f64 = 0
      for (let at = row * size; at < (row + 1) * size; at++) {
        const e = NativeMath.exp(<f64>load<f32>(values + (at << 2)) - largest)
        store<f64>(scratch + (at << 3), e)
        sum += e
      }
      for (let at = row * size; at < (row + 1) * size; at++)
        store<f64>(scratch + (at << 3), load<f64>(scratch + (at << 3)) / sum + epsilon)
    }
    for (let pass = 0; pass < passes; pass++) {
      if (pass > 0) {
        for (let row = 0; row < size; row++) {
          let sum = epsilon
          for (let at = row * size; at < (row + 1) * size; at++) sum += load<f64>(scratch + (at << 3))
          for (let at = row * size; at < (row + 1) * size; at++)
            store<f64>(scratch + (at << 3), load<f64>(scratch + (at << 3)) / sum)
        }
      }
      for (let column = 0; column < size; column++) {
        let sum = epsilon
        for (let at = column; at < cells; at += size) sum += load<f64>(scratch + (at << 3))
        for (let at = column; at < cells; at += size)
          store<f64>(scratch + (at << 3), load<f64>(scratch + (at << 3)) / sum)
      }
    }
    for (let at = 0; at < cells; at++) store<f32>(values + (at << 2), <f32>load<f64>(scratch + (at << 3)))
  }
}

/**
 * Collapses streams: out[row] = sum over streams of weight * stream.
 * 0 streams [rows, count, width] | 4 weights [rows, count] | 8 out [rows, width] | 12 count | 16 width
 */
export function collapseStreams(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const count = load<i32>(args, 12)
  const width = load<i32>(args, 16)
  const bytes = (<usize>width) << 2
  for (let row = lo; row < hi; row++) {
    const streams = load<usize>(args) + <usize>(row * count) * bytes
    const weights = load<usize>(args, 4) + <usize>(row * count) * 4
    const out = load<usize>(args, 8) + <usize>row * bytes
    let at: usize = 0
    for (; at + 16 <= bytes; at += 16) {
      let sum = f32x4.splat(0)
      for (let stream = 0; stream < count; stream++)
        sum = madd(v128.load32_splat(weights + (stream << 2)), v128.load(streams + <usize>stream * bytes + at), sum)
      v128.store(out + at, sum)
    }
    for (; at < bytes; at += 4) {
      let sum: f32 = 0
      for (let stream = 0; stream < count; stream++)
        sum += load<f32>(weights + (stream << 2)) * load<f32>(streams + <usize>stream * bytes + at)
      store<f32>(out + at, sum)
    }
  }
}

/**
 * Writes back: stream[j] = post[j] * output + sum over i of comb[i][j] * stream[i], in place.
 * 0 streams [rows, count, width] | 4 output [rows, width] | 8 post [rows, count] | 12 comb [rows, count, count]
 * | 16 count, at most 16 | 20 width. Scratch holds one column of vectors.
 */
export function spreadStreams(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const count = load<i32>(args, 16)
  const width = load<i32>(args, 20)
  const bytes = (<usize>width) << 2
  for (let row = lo; row < hi; row++) {
    const streams = load<usize>(args) + <usize>(row * count) * bytes
    const output = load<usize>(args, 4) + <usize>row * bytes
    const post = load<usize>(args, 8) + <usize>(row * count) * 4
    const comb = load<usize>(args, 12) + <usize>(row * count * count) * 4
    let at: usize = 0
    for (; at + 16 <= bytes; at += 16) {
      const value = v128.load(output + at)
      for (let stream = 0; stream < count; stream++)
        v128.store(scratch + (stream << 4), v128.load(streams + <usize>stream * bytes + at))
      for (let target = 0; target < count; target++) {
        let sum = f32x4.mul(v128.load32_splat(post + (target << 2)), value)
        for (let source = 0; source < count; source++)
          sum = madd(
            v128.load32_splat(comb + ((source * count + target) << 2)),
            v128.load(scratch + (source << 4)),
            sum,
          )
        v128.store(streams + <usize>target * bytes + at, sum)
      }
    }
    for (; at < bytes; at += 4) {
      const value = load<f32>(output + at)
      for (let stream = 0; stream < count; stream++)
        store<f32>(scratch + (stream << 2), load<f32>(streams + <usize>stream * bytes + at))
      for (let target = 0; target < count; target++) {
        let sum = load<f32>(post + (target << 2)) * value
        for (let source = 0; source < count; source++)
          sum += load<f32>(comb + ((source * count + target) << 2)) * load<f32>(scratch + (source << 2))
        store<f32>(streams + <usize>target * bytes + at, sum)
      }
    }
  }
}

/** Reads everything and gives back a word that depends on all of it: the bandwidth that this build can see. */
export function readBytes(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const from = load<usize>(args)
  let a = i32x4.splat(0)
  let b = a
  let c = a
  let d = a
  for (let block = lo; block < hi; block++) {
    const start = from + ((<usize>block) << 12)
    for (let at = start; at < start + 4096; at += 64) {
      a = v128.xor(a, v128.load(at))
      b = v128.xor(b, v128.load(at, 16))
      c = v128.xor(c, v128.load(at, 32))
      d = v128.xor(d, v128.load(at, 48))
    }
  }
  v128.store(scratch, v128.xor(v128.xor(a, b), v128.xor(c, d)))
}
