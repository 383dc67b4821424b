/**
 * How many tokens a text has, guessed without a tokenizer.
 *
 * For requests to models whose tokenizer we do not hold: budgets and routing need a number before the answer
 * brings the true one. One pass over the characters, no allocation. The constants were fitted to the V4
 * vocabulary (see `estimateErrorShare`); rows built on it are marked as estimated.
 */

/**
 * Share by which the estimate may miss on texts of 200 tokens and more. Measured against the published V4
 * tokenizer: English prose -5 to 0 %, source code +6 to +14 %, JSON +-15 %, Chinese, Japanese, Korean, Russian
 * and Western European languages within 20 %. Outside the promise: random strings (base64 -43 %), Indic scripts (-35 %).
 */
export const estimateErrorShare = 0.25

/** Kinds of characters that a byte-level BPE with V4's pre-tokenisation treats alike. */
type Kind = 'word' | 'digit' | 'blank' | 'line' | 'mark' | 'ideograph' | 'accented' | 'other-letter' | 'rare'

/** An estimate of the number of tokens; 0 only for the empty text. Never throws. */
export function estimateTokens(text: string): number {
  let tokens = 0
  let kind: Kind | null = null
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const next = kindOf(text.charCodeAt(i))
    if (next === kind) {
      length++
      continue
    }
    if (kind !== null) tokens += runTokens(kind, length, next)
    kind = next
    length = 1
  }
  if (kind !== null) tokens += runTokens(kind, length, null)
  return text === '' ? 0 : Math.max(1, Math.round(tokens))
}

/** Tokens of a run of one kind. `next` is the kind that follows: one blank before a word or mark is part of it. */
function runTokens(kind: Kind, length: number, next: Kind | null): number {
  switch (kind) {
    case 'word':
      return length <= 5 ? 1 : 1 + (length - 5) * 0.13
    case 'digit':
      return Math.ceil(length / 3)
    case 'blank':
      return next === 'word' || next === 'mark' || next === 'other-letter'
        ? length > 1
          ? 1
          : 0
        : next === 'line'
          ? 0
          : 1
    case 'line':
      return 0.8
    case 'mark':
      return length <= 2 ? 0.85 : 0.85 + (length - 2) * 0.3
    case 'ideograph':
      return length * 0.62
    case 'accented':
      return length * 0.25
    case 'other-letter':
      return 0.4 + length * 0.29
    default:
      return length * 1.1
  }
}

function kindOf(unit: number): Kind {
  if (unit < 0x80) {
    if ((unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a)) return 'word'
    if (unit >= 0x30 && unit <= 0x39) return 'digit'
    if (unit === 0x0a || unit === 0x0d) return 'line'
    return unit === 0x20 || unit === 0x09 ? 'blank' : 'mark'
  }
  if (unit < 0x250) return unit < 0xc0 ? 'mark' : 'accented'
  if ((unit >= 0x3040 && unit <= 0x30ff) || (unit >= 0x4e00 && unit <= 0x9fff) || (unit >= 0xac00 && unit <= 0xd7a3))
    return 'ideograph'
  if (unit >= 0x370 && unit < 0x600) return 'other-letter'
  if (unit >= 0x2000 && unit < 0x2c00) return 'rare'
  if ((unit >= 0x3000 && unit < 0x3040) || (unit >= 0xff00 && unit < 0xfff0)) return 'ideograph'
  if (unit >= 0xd800 && unit < 0xe000) return 'rare'
  return 'other-letter'
}
