/**
 * The efficiency table: cache bytes and operations of Flash and Pro beside V3.2 and 8-head attention.
 *
 * `measureEfficiency` runs the measurements, `renderEfficiency` turns them into the page kept at
 * `docs/reference/efficiency.md`. The page holds no time and no machine, so it is the same wherever it is made.
 */
import { publishedShape, type ShapeName } from '../config/shapes.ts'
import type { Work } from '../forward/tally.ts'
import { groupedQueryBytesPerToken, v32BytesPerToken, v32Operations } from './baselines.ts'
import { measureSequence, type SequenceCost } from './measure.ts'
import { weigh, weightedShare, weightings } from './weightings.ts'

/** The context that the published figures are stated for. */
export const millionTokens = 1_048_576

export interface ShapeEfficiency {
  readonly shape: ShapeName
  readonly layers: number
  readonly cost: SequenceCost
  /** Growing bytes per token of context. */
  readonly bytesPerToken: number
  readonly bytesShareOfV32: number
  readonly bytesShareOfGroupedQuery: number
  /** Operations of the last token as a share of V3.2's, by weighting key. */
  readonly operationShares: Readonly<Record<string, number>>
}

/** Measures one shape at one length. A million tokens take seconds and some 200 MB. */
export function measureEfficiency(
  shape: ShapeName,
  contextTokens: number = millionTokens,
  onKind: (done: number, total: number) => void = () => {},
): ShapeEfficiency {
  const config = publishedShape(shape)
  const cost = measureSequence(config, contextTokens, onKind)
  const baseline = v32Operations(contextTokens)
  const bytesPerToken = cost.growingBytes / contextTokens
  return {
    shape,
    layers: config.layers.length,
    cost,
    bytesPerToken,
    bytesShareOfV32: bytesPerToken / v32BytesPerToken(),
    bytesShareOfGroupedQuery: bytesPerToken / groupedQueryBytesPerToken(config.layers.length),
    operationShares: Object.fromEntries(
      weightings.map((weighting) => [weighting.key, weightedShare(weighting, cost.operations, baseline)]),
    ),
  }
}

function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function giga(value: number, digits = 2): string {
  return (value / 1e9).toFixed(digits)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

const kindNames = { window: 'window only', sparse: 'sparse (CSA)', heavy: 'heavy (HCA)' } as const

function layerTable({ cost }: ShapeEfficiency): string {
  const rows = cost.kinds.map((kind) => [
    kindNames[kind.attention] + (kind.ratio === null ? '' : `, 1 row per ${kind.ratio} tokens`),
    String(kind.layers),
    whole(kind.compressedRows),
    whole(kind.bytes.rows),
    whole(kind.bytes.indexRows),
    whole(kind.bytes.window),
    whole(kind.bytes.openGroups),
    giga(weigh(kind.operations, {}), 3),
  ])
  return table(
    [
      'layer kind',
      'layers',
      'rows',
      'row bytes',
      'index row bytes',
      'window bytes',
      'open group bytes',
      'GFLOP a token',
    ],
    rows,
  )
}

const works: readonly [Work, string][] = [
  ['query', 'queries'],
  ['key-value', 'key-value rows (V3.2: and latent projections)'],
  ['output', 'output projection'],
  ['compressor', 'compressors'],
  ['index-projection', 'indexer projections'],
  ['index-score', 'indexer scores'],
  ['attention-window', 'attention, window'],
  ['attention-sparse', 'attention, selected rows'],
  ['attention-heavy', 'attention, heavy rows'],
  ['expert', 'routed experts'],
  ['shared-expert', 'shared expert'],
  ['router', 'router'],
  ['hyper-connection', 'hyper-connections'],
  ['head', 'head'],
]

/** The page, from measurements of both shapes at one length and at shorter ones. */
export function renderEfficiency(
  flash: ShapeEfficiency,
  pro: ShapeEfficiency,
  shorter: readonly (readonly [ShapeEfficiency, ShapeEfficiency])[],
): string {
  const context = flash.cost.contextTokens
  const baseline = v32Operations(context)
  const both = (value: (shape: ShapeEfficiency) => string): string[] => [value(flash), value(pro)]
  const bytesTable = table(
    ['', 'Flash', 'Pro', 'V3.2'],
    [
      ['bytes per token of context', ...both((shape) => shape.bytesPerToken.toFixed(0)), whole(v32BytesPerToken())],
      [
        `growing rows at ${whole(context)} tokens, GB`,
        ...both((shape) => giga(shape.cost.growingBytes, 3)),
        giga(v32BytesPerToken() * context, 1),
      ],
      ['windows and open groups, MB', ...both((shape) => (shape.cost.fixedBytes / 1e6).toFixed(1)), '0'],
      ['share of V3.2', ...both((shape) => percent(shape.bytesShareOfV32)), '100 %'],
      [
        'share of 8-head attention in BF16, same depth',
        ...both((shape) => percent(shape.bytesShareOfGroupedQuery)),
        percent(v32BytesPerToken() / groupedQueryBytesPerToken(61)),
      ],
    ],
  )
  const operationTable = table(
    ['work', 'V3.2', 'Flash', 'Pro'],
    [
      ...works.map(([work, name]) => [
        name,
        giga(baseline.get(work) ?? 0),
        ...both((shape) => giga(shape.cost.operations.get(work) ?? 0)),
      ]),
      ['**total**', giga(weigh(baseline, {}), 1), ...both((shape) => giga(weigh(shape.cost.operations, {}), 1))],
    ],
  )
  const weightingTable = table(
    ['weighting', 'Pro / V3.2', 'Flash / V3.2'],
    weightings.map(({ key, rule }) => [
      `${key}: ${rule}`,
      percent(pro.operationShares[key] ?? 0),
      percent(flash.operationShares[key] ?? 0),
    ]),
  )
  const lengthTable = table(
    ['context, tokens', 'V3.2', 'Flash', 'Pro', 'Flash / V3.2', 'Pro / V3.2'],
    [...shorter, [flash, pro] as const].map(([one, other]) => {
      const tokens = one.cost.contextTokens
      const total = weigh(v32Operations(tokens), {})
      const [flashTotal, proTotal] = [weigh(one.cost.operations, {}), weigh(other.cost.operations, {})]
      return [
        whole(tokens),
        giga(total, 1),
        giga(flashTotal, 1),
        giga(proTotal, 1),
        percent(flashTotal / total),
        percent(proTotal / total),
      ]
    }),
  )
  return `# Efficiency of V4, measured

<!-- Generated by \`npm run docs\` from packages/model/src/efficiency. Do not edit. -->

Published for a context of one million tokens: cache 10 % (Pro) and 7 % (Flash) of V3.2's and 2 % of 8-head grouped-query attention in BF16;
operations per token 27 % (Pro) and 10 % (Flash) of V3.2's. This page is those figures out of running code.

**How.** Bytes are read off the cache objects that the engine uses, in packed rows (584 bytes an attention row: 448 FP8, 64 BF16, 7 scales, 1 pad;
68 bytes an index row: 128 FP4, 4 scales), filled to the length, one layer of each kind times the layers of that kind. Operations are counted by the kernels of
the forward pass as they take the last token through such a layer, two per multiply-add; weights are shapes without numbers, caches are real.
V3.2 and 8-head attention are arithmetic from their published shapes (\`efficiency/baselines.ts\`).

## Cache

${bytesTable}

### Flash, one layer of each kind at ${whole(context)} tokens

${layerTable(flash)}

### Pro, one layer of each kind at ${whole(context)} tokens

${layerTable(pro)}

Pages hold 64 rows, so a layer may hold up to 63 rows more than its context fills.

## Operations of one token at position ${whole(context - 1)}, GFLOP

${operationTable}

## Weightings

The published 27 % and 10 % are "FP8-equivalent" operations, by a rule that is not public. A plain count comes near Pro's figure
and misses Flash's. E is our reading: it gives both.

${weightingTable}

## By length, plain count, GFLOP a token

${lengthTable}

Nearly all of the gain at great length is the indexer: it scores a quarter of the rows, in half of the layers or fewer, and the other layers none.
`
}

/** The whole page at a million tokens, measured here and now. */
export function efficiencyPage(): string {
  const pair = (tokens: number) => [measureEfficiency('flash', tokens), measureEfficiency('pro', tokens)] as const
  const shorter = [4096, 32_768, 131_072].map(pair)
  const [flash, pro] = pair(millionTokens)
  return renderEfficiency(flash, pro, shorter)
}
