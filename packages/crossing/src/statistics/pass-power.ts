/**
 * pass^k: the chance that k independent tries of a case all pass, estimated without bias from n >= k tries as
 * C(passes, k) / C(n, k) (tau-bench, arXiv:2406.12045, section 4). Averaged over cases that have enough tries.
 */
export function passPower(
  cases: readonly { readonly passes: number; readonly tries: number }[],
  k: number,
): number | null {
  const enough = cases.filter(({ tries }) => tries >= k)
  if (enough.length === 0) return null
  let sum = 0
  for (const { passes, tries } of enough) {
    let share = 1
    for (let i = 0; i < k; i++) share *= Math.max(0, passes - i) / (tries - i)
    sum += share
  }
  return sum / enough.length
}
