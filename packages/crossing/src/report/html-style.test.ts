/** The look of the report as far as it can be computed: contrast in every scheme, by WCAG 2.2 (1.4.3, level AA). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { style } from './html-style.ts'

type Colours = Readonly<Record<string, string>>

/** The custom properties of the n-th `:root` rule, over those of the first. */
function coloursOf(rule: number): Colours {
  const rules = [...style.matchAll(/:root\s*\{([^}]*)\}/g)].map(([, body]) =>
    Object.fromEntries(
      [...body!.matchAll(/--([\w-]+):\s*(#[0-9a-f]{3,6})/g)].map(([, name, value]) => [name!, value!]),
    ),
  )
  return { ...rules[0], ...rules[rule] }
}

function luminance(colour: string): number {
  const digits = (colour.length === 4 ? colour.replaceAll(/\w/g, '$&$&') : colour).match(/\w\w/g)!
  const [red, green, blue] = digits.map((pair) => {
    const share = Number.parseInt(pair, 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light! + 0.05) / (dark! + 0.05)
}

const texts: readonly (readonly [text: string, on: readonly string[]])[] = [
  ['ink', ['paper', 'wash', 'h0', 'h1', 'h2', 'h3', 'h4']],
  ['soft', ['paper', 'wash']],
  ['link', ['paper', 'wash']],
  ['good', ['paper', 'wash']],
  ['open', ['paper', 'wash']],
  ['bad', ['paper', 'wash']],
]

describe('the colours of the report', () => {
  it('know black on white', () => {
    assert.equal(contrast('#000', '#ffffff'), 21)
  })

  for (const [rule, scheme] of ['light', 'dark', 'print'].entries())
    it(`leave every text readable in ${scheme}: at least 4.5 to 1`, () => {
      const colours = coloursOf(rule)
      for (const [text, grounds] of texts)
        for (const ground of grounds) {
          const ratio = contrast(colours[text]!, colours[ground]!)
          assert.ok(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(2)}`)
        }
    })
})
