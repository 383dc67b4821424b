/**
 * What is taken out of recorded text: eight classes, each found by its own form and, where there is one, its check
 * digit. A number that fails its check is not taken, so order numbers and prices stay what they are.
 *
 * Every pattern starts at a boundary and repeats at most a fixed number of times, so that a megabyte of anything
 * costs one pass. Names of people have no form: they are found by the user's own terms and field rules.
 */
import { isIPv4, isIPv6 } from 'node:net'

export const redactionClasses = ['KEY', 'EMAIL', 'IBAN', 'CARD', 'CNID', 'IP', 'PHONE', 'TERM'] as const
/** The classes above, or a word of the user's own for a field rule (`NAME`). */
export type RedactionClass = string

export interface Found {
  readonly start: number
  readonly end: number
  readonly class: RedactionClass
  /** The value in one spelling, so that two spellings get one pseudonym. */
  readonly value: string
}

interface Detector {
  readonly class: (typeof redactionClasses)[number]
  readonly pattern: RegExp
  /** The value in one spelling and how many characters of the match it covers; null: not one after all. */
  readonly accept: (match: RegExpExecArray) => { readonly value: string; readonly length: number } | null
}

const whole = (match: RegExpExecArray, value = match[0]): { value: string; length: number } => ({
  value,
  length: match[0].length,
})
const digitsOf = (text: string): string => text.replace(/\D/g, '')

/** In order of precedence: of two that overlap, the earlier detector wins. */
const detectors: readonly Detector[] = [
  {
    class: 'KEY',
    pattern: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{1,8192}?-----END [A-Z ]{0,30}PRIVATE KEY-----/g,
    accept: (match) => whole(match),
  },
  {
    class: 'KEY',
    // JSON web tokens: three base64url parts, the first two beginning with `{"`.
    pattern: /(?<![\w-])eyJ[\w-]{6,4096}\.eyJ[\w-]{2,8192}\.[\w-]{6,1024}/g,
    accept: (match) => whole(match),
  },
  {
    class: 'KEY',
    // Prefixes that issuers print on their keys so that scanners find them.
    pattern:
      /(?<![\w-])(?:sk-|ptl_|rk_live_|sk_live_|sk_test_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|ASIA|AIza|npm_|hf_|pypi-|SG\.|dop_v1_|ya29\.)[\w.-]{12,400}(?<![.-])/g,
    accept: (match) => whole(match),
  },
  {
    class: 'KEY',
    // `Authorization: Bearer x`, `password = x`, `api_key: "x"` in running text; group 1 is what stays.
    pattern:
      /(?<!\w)((?:bearer\s{1,4}|(?:pass(?:word|wd|phrase)|secret|api[ _-]?key|access[_-]?key|(?:access|refresh|auth)[_-]?token|client[_-]?secret|private[_-]?key)["']?\s{0,4}(?:[:=]|is)\s{0,4}["']?))([^\s"',;<>]{6,400})/gi,
    accept: (match) => whole(match, match[2]),
  },
  {
    class: 'EMAIL',
    pattern: /(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\p{L}\d](?:[\p{L}\d-]{0,61}[\p{L}\d])?\.){1,8}\p{L}{2,24}/gu,
    accept: (match) => whole(match, match[0].toLowerCase()),
  },
  {
    class: 'IBAN',
    pattern: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}/g,
    accept: iban,
  },
  {
    class: 'CNID',
    pattern: /(?<![\dA-Za-z])[1-8]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dXx](?![\dA-Za-z])/g,
    accept: (match) => (residentIdHolds(match[0].toUpperCase()) ? whole(match, match[0].toUpperCase()) : null),
  },
  {
    class: 'CARD',
    pattern: /(?<![\d.-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])/g,
    accept: (match) => (luhnHolds(digitsOf(match[0])) ? whole(match, digitsOf(match[0])) : null),
  },
  {
    class: 'IP',
    pattern: /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g,
    accept: (match) => (isIPv4(match[0]) && !/^(127\.|0\.0\.0\.0)/.test(match[0]) ? whole(match) : null),
  },
  {
    class: 'IP',
    pattern: /(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])/g,
    accept: (match) =>
      isIPv6(match[0]) && /[0-9A-Fa-f]{3}/.test(match[0]) ? whole(match, match[0].toLowerCase()) : null,
  },
  {
    class: 'PHONE',
    pattern: /(?<![\w+.-])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?(?:\d[ .-]?){5,12}\d(?!\d)/g,
    accept: phone,
  },
  {
    class: 'PHONE',
    // North American 3-3-4; the area code in brackets or followed by a separator.
    pattern: /(?<![\w+.-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}(?![\w-])/g,
    accept: phone,
  },
  {
    class: 'PHONE',
    // Mobile numbers of China, and national numbers with a trunk zero.
    pattern: /(?<![\w+.-])(?:1[3-9]\d{9}|0\d{2,4}[ /-]\d{5,9})(?![\w-])/g,
    accept: phone,
  },
  {
    class: 'KEY',
    pattern: /(?<![\w+/=-])[\w+/-]{32,512}={0,2}(?![\w+/=-])/g,
    accept: (match) => (looksRandom(match[0]) ? whole(match) : null),
  },
]

/** Findings of one text; the first to claim a character has it. One pass over the text, however many there are. */
export class Findings {
  readonly #length: number
  readonly #found: Found[] = []
  #taken: Uint8Array | null = null

  constructor(text: string) {
    this.#length = text.length
  }

  add(found: Found): void {
    this.#taken ??= new Uint8Array(this.#length)
    if (this.#taken.subarray(found.start, found.end).includes(1)) return
    this.#taken.fill(1, found.start, found.end)
    this.#found.push(found)
  }

  get empty(): boolean {
    return this.#found.length === 0
  }

  inOrder(): readonly Found[] {
    return this.#found.sort((a, b) => a.start - b.start)
  }
}

export function findSecrets(text: string): Findings {
  const findings = new Findings(text)
  if (!mayHoldSecrets.test(text)) return findings
  for (const { class: name, pattern, accept } of detectors) {
    pattern.lastIndex = 0
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const accepted = accept(match)
      if (accepted === null) continue
      // Context patterns keep their first group: `password: ` stays, what follows goes.
      const kept = name === 'KEY' && match[2] !== undefined ? match[1]!.length : 0
      findings.add({
        start: match.index + kept,
        end: match.index + accepted.length,
        class: name,
        value: accepted.value,
      })
    }
  }
  return findings
}

/** A digit, an @ or a run of 32: without one of them nothing above can match, and most short texts have none. */
const mayHoldSecrets = /[\d@]|[\w+/-]{32}|bearer|pass|secret|key|token|PRIVATE/i

function phone(match: RegExpExecArray): { value: string; length: number } | null {
  const digits = digitsOf(match[0])
  return digits.length >= 7 && digits.length <= 15 ? whole(match, digits) : null
}

/** Lengths by country, ISO 13616 registry. */
const ibanLengths = new Map(
  (
    'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23' +
    'GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30' +
    'NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20'
  )
    .match(/.{4}/g)!
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
)

function iban(match: RegExpExecArray): { value: string; length: number } | null {
  const wanted = ibanLengths.get(match[0].slice(0, 2))
  if (wanted === undefined) return null
  // The pattern may have run on into the next word: take exactly the country's length.
  let value = ''
  let length = 0
  for (; length < match[0].length && value.length < wanted; length++)
    if (/[A-Z0-9]/.test(match[0][length]!)) value += match[0][length]
  if (value.length !== wanted) return null
  const rearranged = value.slice(4) + value.slice(0, 4)
  let rest = 0
  for (const symbol of rearranged)
    for (const digit of String(Number.parseInt(symbol, 36))) rest = (rest * 10 + Number(digit)) % 97
  return rest === 1 ? { value, length } : null
}

function luhnHolds(digits: string): boolean {
  if (digits.length < 13 || digits.length > 19 || /^(\d)\1*$/.test(digits)) return false
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const doubled = i % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** GB 11643: weights 2^(17-i) mod 11, check symbol mod 11-2. */
function residentIdHolds(id: string): boolean {
  let sum = 0
  for (let i = 0; i < 17; i++) sum += Number(id[i]) * (2 ** (17 - i) % 11)
  return '10X98765432'[sum % 11] === id[17]
}

/** Letters of both cases and digits, and more bits a character than words or hex have. */
function looksRandom(text: string): boolean {
  if (!/[a-z]/.test(text) || !/[A-Z]/.test(text) || (text.match(/\d/g)?.length ?? 0) < 3) return false
  // Paths and dotted or dashed words of programs are long too.
  if (/[/_-][a-z]{3,}[/_-]|[a-z]{8,}/.test(text)) return false
  const counts = new Map<string, number>()
  for (const symbol of text) counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits >= 4
}
