/**
 * Inputs of matrix products as the kernels want them: padded floats, or integers with scales.
 *
 * Arguments: 0 from [tokens, columns] | 4 columns | 8 padded columns | 12 to | 16 scales [tokens, blocks of 128]
 *   20 starting sums [tokens, runs of 32] | 24 factor (f32) | 28 form: 0 seven bits, 1 eight bits | 32 tokens
 * `to` is [blocks of 128][tokens][128]. One task is a range of tokens. Padding is zero.
 */

export function padFloats(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const columns = load<i32>(args, 4)
  const padded = load<i32>(args, 8)
  const factor = load<f32>(args, 24)
  const tokens = load<i32>(args, 32)
  for (let token = lo; token < hi; token++) {
    const from = load<usize>(args) + <usize>token * <usize>columns * 4
    const factors = f32x4.splat(factor)
    for (let start = 0; start < padded; start += 128) {
      const to = load<usize>(args, 12) + ((<usize>((start >> 7) * tokens + token)) << 9)
      const end = min(start + 128, padded)
      const filled = min(end, columns)
      let column = start
      for (; column + 4 <= filled; column += 4)
        v128.store(to + ((<usize>(column - start)) << 2), f32x4.mul(factors, v128.load(from + ((<usize>column) << 2))))
      for (; column < filled; column++)
        store<f32>(to + ((<usize>(column - start)) << 2), factor * load<f32>(from + ((<usize>column) << 2)))
      for (; column < end; column++) store<f32>(to + ((<usize>(column - start)) << 2), 0)
    }
  }
}

/**
 * Seven bits: round(x * 63 / largest) + 64, scale = largest / 63.
 * Eight bits: round(x * 127 / largest) in the order of columns 0 2 4 6 1 3 5 7 of every eight, scale =
 * largest / 254 (the weights are doubled codes), starting sum = -12 * sum of the 32 (they are offset by 12).
 * A block with a NaN or an infinity gets the scale NaN, and with it every product.
 */
export function quantiseInputs(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const columns = load<i32>(args, 4)
  const padded = load<i32>(args, 8)
  const blocks = (padded + 127) >> 7
  const runs = padded >> 5
  const eight = load<i32>(args, 28) == 1
  const tokens = load<i32>(args, 32)
  const limit: f32 = eight ? 127 : 63
  for (let token = lo; token < hi; token++) {
    const from = load<usize>(args) + <usize>token * <usize>columns * 4
    const scales = load<usize>(args, 16) + <usize>token * <usize>blocks * 4
    const sums = load<usize>(args, 20) + <usize>token * <usize>runs * 4
    for (let block = 0; block < blocks; block++) {
      const start = block << 7
      // Minus the start, since columns count from the first of all.
      const to = load<usize>(args, 12) + ((<usize>(block * tokens + token)) << 7) - <usize>start
      const end = min(start + 128, padded)
      const filled = min(end, columns)
      let largest: f32 = 0
      let finite = true
      for (let column = start; column < filled; column++) {
        const magnitude = abs<f32>(load<f32>(from + ((<usize>column) << 2)))
        if (!(magnitude < Infinity)) finite = false
        largest = max<f32>(largest, magnitude)
      }
      const scale = largest / limit
      // A largest value whose quotient is not a number of f32 counts as zero.
      const factor: f32 = finite && scale > 0 ? 1 / scale : 0
      const usable = factor > 0 && factor < Infinity
      store<f32>(scales + ((<usize>block) << 2), finite ? (usable ? (eight ? scale * 0.5 : scale) : 0) : NaN)
      for (let run = start; run < end; run += 32) {
        let sum = 0
        for (let at = 0; at < 32; at++) {
          const column = run + at
          let q = 0
          if (usable && column < columns) {
            q = <i32>nearest<f32>(max<f32>(-limit, min<f32>(limit, load<f32>(from + ((<usize>column) << 2)) * factor)))
          }
          sum += q
          if (eight) store<i8>(to + <usize>(run + (at & 24) + ((at & 1) << 2) + ((at & 7) >> 1)), <i8>q)
          else store<i8>(to + <usize>column, <i8>(q + 64))
        }
        if (eight) store<i32>(sums + ((<usize>(run >> 5)) << 2), -12 * sum)
      }
    }
  }
}
