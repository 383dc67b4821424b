/** `portolan model efficiency`: the published savings out of running code, for one shape and one length. */
import {
  groupedQueryBytesPerToken,
  measureEfficiency,
  publishedShape,
  v32BytesPerToken,
  v32Operations,
  weigh,
  weightings,
  type ShapeEfficiency,
  type ShapeName,
} from '@portolan/model'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { bytesText, countText, percentText, startProgress } from './model-folder.ts'

export interface EfficiencyOptions {
  readonly json?: boolean
  readonly shape: ShapeName
  readonly context: number
}

/** Published for a million tokens, as shares. */
const published = {
  flash: { bytes: 0.07, groupedQuery: 0.02, operations: 0.1 },
  pro: { bytes: 0.1, groupedQuery: 0.02, operations: 0.27 },
} as const
const publishedContextTokens = 1_048_576

const kindNames = { window: 'window only', sparse: 'sparse (CSA)', heavy: 'heavy (HCA)' } as const

export function showEfficiency(options: EfficiencyOptions): void {
  const { shape, context } = options
  const { maximumPositions, layers } = publishedShape(shape)
  if (context > maximumPositions)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `--context: ${countText(context)} tokens; these models were made for at most ${countText(maximumPositions)}.`,
    )
  const progress = startProgress(options.json === true)
  progress.show(`Filling caches of ${countText(context)} tokens ...`)
  const measured = measureEfficiency(shape, context, (done, total) =>
    progress.show(`Filling caches of ${countText(context)} tokens: layer kind ${done} of ${total}`),
  )
  progress.end()
  const baseline = v32Operations(context)
  const groupedQuery = groupedQueryBytesPerToken(layers.length)
  if (options.json) {
    console.log(
      json({
        shape,
        contextTokens: context,
        layers: layers.length,
        cache: {
          growingBytes: measured.cost.growingBytes,
          fixedBytes: measured.cost.fixedBytes,
          bytesPerToken: measured.bytesPerToken,
          v32BytesPerToken: v32BytesPerToken(),
          groupedQueryBytesPerToken: groupedQuery,
          shareOfV32: measured.bytesShareOfV32,
          shareOfGroupedQuery: measured.bytesShareOfGroupedQuery,
          kinds: measured.cost.kinds.map((kind) => ({ ...kind, operations: Object.fromEntries(kind.operations) })),
        },
        operations: {
          byWork: Object.fromEntries(measured.cost.operations),
          total: weigh(measured.cost.operations, {}),
          v32ByWork: Object.fromEntries(baseline),
          v32Total: weigh(baseline, {}),
          sharesOfV32: weightings.map(({ key, rule }) => ({ key, rule, share: measured.operationShares[key] })),
        },
        published: context === publishedContextTokens ? published[shape] : null,
      }),
    )
    return
  }
  console.log(toText(measured, groupedQuery, baseline))
}

function toText(measured: ShapeEfficiency, groupedQuery: number, baseline: ReturnType<typeof v32Operations>): string {
  const { shape, cost, layers } = measured
  const context = cost.contextTokens
  const isPublishedLength = context === publishedContextTokens
  const perToken = [
    ['this shape, measured', measured.bytesPerToken],
    ['V3.2', v32BytesPerToken()],
    [`8 key-value heads in BF16, ${layers} layers`, groupedQuery],
  ] as const
  const gigaflops = (operations: ReadonlyMap<Parameters<typeof baseline.get>[0], number>): string =>
    (weigh(operations, {}) / 1e9).toFixed(1)
  const note = (share: number): string => (isPublishedLength ? ` (published: ${Math.round(share * 100)} %)` : '')
  return [
    `V4-${shape === 'flash' ? 'Flash' : 'Pro'} at ${countText(context)} tokens`,
    '',
    'Cache, read off cache objects filled to this length',
    table(cost.kinds, [
      {
        title: 'LAYER KIND',
        value: (kind) => kindNames[kind.attention] + (kind.ratio === null ? '' : `, 1 row per ${kind.ratio} tokens`),
      },
      { title: 'LAYERS', align: 'right', value: (kind) => String(kind.layers) },
      { title: 'ROWS', align: 'right', value: (kind) => countText(kind.compressedRows) },
      { title: 'ROW BYTES', align: 'right', value: (kind) => countText(kind.bytes.rows) },
      { title: 'INDEX BYTES', align: 'right', value: (kind) => countText(kind.bytes.indexRows) },
      { title: 'WINDOW BYTES', align: 'right', value: (kind) => countText(kind.bytes.window) },
      { title: 'OPEN BYTES', align: 'right', value: (kind) => countText(kind.bytes.openGroups) },
      { title: 'GFLOP A TOKEN', align: 'right', value: (kind) => (weigh(kind.operations, {}) / 1e9).toFixed(3) },
    ]),
    '',
    table(perToken, [
      { title: 'CACHE OF', value: ([name]) => name },
      { title: 'BYTES A TOKEN', align: 'right', value: ([, bytes]) => countText(bytes) },
      { title: 'IN ALL', align: 'right', value: ([, bytes]) => bytesText(bytes * context) },
    ]),
    `${percentText(measured.bytesShareOfV32)} of V3.2${note(published[shape].bytes)}, ${percentText(measured.bytesShareOfGroupedQuery)} of 8-head attention${note(published[shape].groupedQuery)}; windows and open groups add ${bytesText(cost.fixedBytes)} at any length`,
    '',
    `Operations of the last token, counted by the kernels: ${gigaflops(cost.operations)} GFLOP; V3.2: ${gigaflops(baseline)} GFLOP`,
    table(weightings, [
      { title: 'WEIGHTING', value: ({ key, rule }) => `${key}: ${rule}` },
      { title: 'SHARE OF V3.2', align: 'right', value: ({ key }) => percentText(measured.operationShares[key] ?? 0) },
    ]),
    `The published figure${isPublishedLength ? `, ${Math.round(published[shape].operations * 100)} %,` : ', stated for a million tokens,'} is in "FP8-equivalent" operations by a rule that is not public; E is our reading of it.`,
  ].join('\n')
}
