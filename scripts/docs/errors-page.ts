/** `docs/reference/errors.md`: every code of every package, with what happened and what to do. */
import { cliErrors } from '@portolan/cli'
import { crossingErrors } from '@portolan/crossing'
import { adminErrors, gatewayErrors } from '@portolan/gateway'
import { meterErrors } from '@portolan/meter'
import { engineErrors } from '@portolan/engine'
import { modelErrors } from '@portolan/model'
import { storeErrors } from '@portolan/store'
import { upstreamErrors } from '@portolan/upstream'
import { adapterOf, protocols, wireErrors, type ErrorKind } from '@portolan/wire'
import { code, generatedFrom, page, table } from './markdown.ts'

interface Entry {
  readonly kind: string
  readonly summary: string
  readonly remedy: string
}

const catalogues: readonly (readonly [string, string, Readonly<Record<string, Entry>>])[] = [
  ['gateway', 'raised by the doors themselves', gatewayErrors],
  ['admin', 'the API of operators', adminErrors],
  ['wire', 'protocols and translation', wireErrors],
  ['upstream', 'on the way to a model server', upstreamErrors],
  ['meter', 'prices and cost', meterErrors],
  ['store', 'ledger, keys and memory', storeErrors],
  ['model', 'checkpoints, tokenizers, prompts and sampling', modelErrors],
  ['engine', 'the embedded engine, its queue and its prefix cache', engineErrors],
  ['crossing', 'recordings, plans and what is done with them', crossingErrors],
  ['cli', 'the command line and its configuration', cliErrors],
]

/** In the order of the HTTP statuses that the Chat door gives them. */
const kinds: readonly ErrorKind[] = [
  'invalid-request',
  'context-length',
  'unprocessable',
  'authentication',
  'billing',
  'permission',
  'not-found',
  'conflict',
  'too-large',
  'rate-limit',
  'client-closed',
  'timeout',
  'internal',
  'upstream',
  'overloaded',
]

export function errorsPage(): string {
  return page(
    '# Errors',
    generatedFrom('the error catalogues of the packages'),
    'A code never changes its meaning. At a door it stands in the body, worded in the caller\'s protocol, and the response carries the request id (`x-request-id`, at the Messages door `request-id`). On the command line it stands in brackets after the message, and `--json` gives `{"error":{"code","message"}}` on standard error. How to use them: [errors and limits](../guides/errors-and-limits.md).',
    '## Kinds, and how each door says them',
    table(
      ['kind', ...protocols.map((protocol) => `${protocol} door`)],
      kinds.map((kind) => [code(kind), ...protocols.map((protocol) => statusAndType(protocol, kind))]),
    ),
    ...catalogues.flatMap(([name, about, entries]) => [
      `## ${name}: ${about}`,
      table(
        ['code', 'kind', 'what happened', 'what to do'],
        Object.entries(entries).map(([key, { kind, summary, remedy }]) => [code(key), code(kind), summary, remedy]),
      ),
    ]),
  )
}

/** What the door's own writer makes of a kind: `400 invalid_request_error`. */
function statusAndType(protocol: (typeof protocols)[number], kind: ErrorKind): string {
  const { status, body } = adapterOf(protocol).writeErrorBody({
    kind,
    code: null,
    message: '',
    param: null,
    requestId: '',
  })
  const error = (body as { readonly error?: { readonly type?: unknown } }).error
  return `${status}${typeof error?.type === 'string' ? ` ${code(error.type)}` : ''}`
}
