/** Two hundred made-up secrets in eight classes: valid check digits, no real person's. */
import { Random } from './random.test-support.ts'

export interface Planted {
  readonly class: string
  readonly value: string
}

export function plantedSecrets(seed: number): readonly Planted[] {
  const random = new Random(seed)
  const makers: readonly (readonly [string, () => string])[] = [
    ['EMAIL', () => `${random.word(4)}.${random.word(6)}+${random.digits(2)}@${random.word(7)}.example.com`],
    ['PHONE', () => `+49 ${random.digits(3)} ${random.digits(4)}${random.digits(3)}`],
    ['CARD', () => card(random)],
    ['IBAN', () => iban(random)],
    ['CNID', () => residentId(random)],
    ['IP', () => `${10 + random.below(200)}.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`],
    ['KEY', () => `sk-${random.token(40)}`],
    ['TERM', () => `Project ${random.word(9)}`],
  ]
  return makers.flatMap(([name, make]) => Array.from({ length: 25 }, () => ({ class: name, value: make() })))
}

function card(random: Random): string {
  const body = `4${random.digits(14)}`
  let sum = 0
  for (let i = 0; i < body.length; i++) {
    const digit = Number(body[body.length - 1 - i])
    const doubled = i % 2 === 0 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  const digits = `${body}${(10 - (sum % 10)) % 10}`
  return digits.replace(/(\d{4})(?=\d)/g, '$1 ')
}

function iban(random: Random): string {
  const body = `5${random.digits(17)}`
  let rest = 0
  for (const digit of `${body}131400`) rest = (rest * 10 + Number(digit)) % 97
  return `DE${String(98 - rest).padStart(2, '0')}${body}`
}

function residentId(random: Random): string {
  const body = `${1 + random.below(6)}${random.digits(5)}19${70 + random.below(30)}0${1 + random.below(9)}1${random.below(10)}${random.digits(3)}`
  let sum = 0
  for (let i = 0; i < 17; i++) sum += Number(body[i]) * (2 ** (17 - i) % 11)
  return body + '10X98765432'[sum % 11]!
}
