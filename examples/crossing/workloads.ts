/**
 * What is recorded: five kinds of work, each a script for the client and for the suppliers, with numbered tasks.
 *
 * `planted` is what the new supplier does wrong, and in which tasks; everything else it does as the old one, only in
 * other words, later and for less money. A stratum without it is there so that a false alarm would be seen.
 */
import type { Answer } from '@portolan-testing/mock-upstream'

export interface Workload {
  /** The name that clients ask for; the report's slices are called after it. */
  readonly name: string
  readonly planted: Planted | null
  /** Members of the request beside model and messages. */
  readonly settings: Readonly<Record<string, unknown>>
  opening(task: number): readonly object[]
  /** What comes after an answer of the model; null: the session is over. */
  next(task: number, turn: number, answer: AnswerMessage): readonly object[] | null
  /** What a supplier says in this turn of a task, from 0. */
  says(task: number, turn: number, role: Role): Answer
}

export type Role = 'incumbent' | 'candidate'

export interface Planted {
  /** Every so many tasks, in one turn. */
  readonly every: number
  readonly turn: number
  /** In the report's reason for the failed case. */
  readonly shows: RegExp
}

export interface AnswerMessage {
  readonly tool_calls?: readonly { readonly id: string }[]
}

/** Tasks have three digits, so that they can be found in any text. */
export const firstTask = 101

function flawed({ planted }: Workload, task: number, turn: number, role: Role): boolean {
  return role === 'candidate' && planted !== null && turn === planted.turn && (task - firstTask) % planted.every === 0
}

function tool(name: string, properties: Readonly<Record<string, object>>): object {
  const parameters = { type: 'object', properties, required: Object.keys(properties) }
  return { type: 'function', function: { name, description: `The ${name} of the house's own system.`, parameters } }
}

function results({ tool_calls = [] }: AnswerMessage, content: string): readonly object[] | null {
  return tool_calls.length === 0 ? null : tool_calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content }))
}

// ------------------------------------------------------------------------------------------ support agent

const support: Workload = {
  name: 'support',
  // A tool argument: another order is refunded.
  planted: { every: 4, turn: 1, shows: /tool-calls/ },
  settings: {
    tools: [
      tool('look_up', { order: { type: 'integer' } }),
      tool('refund', { order: { type: 'integer' }, reason: { type: 'string' } }),
    ],
  },
  opening: (task) => [
    { role: 'system', content: 'You refund what arrived broken, after a look at the order.' },
    { role: 'user', content: `Please refund order ${task} of jane.doe@example.com: it arrived broken.` },
  ],
  next: (_task, _turn, answer) => results(answer, 'done'),
  says(task, turn, role) {
    if (turn === 0) return { toolCalls: [{ name: 'look_up', arguments: { order: task } }] }
    const order = flawed(support, task, turn, role) ? task + 500 : task
    if (turn === 1) return { toolCalls: [{ name: 'refund', arguments: { order, reason: 'broken' } }] }
    return { text: role === 'incumbent' ? `Order ${task} was refunded.` : `Done: the money for ${task} is on its way.` }
  },
}

// --------------------------------------------------------------------------------------------- extraction

const invoiceSchema = {
  type: 'object',
  properties: { invoice: { type: 'integer' }, total: { type: 'number' }, currency: { enum: ['EUR', 'USD'] } },
  required: ['invoice', 'total', 'currency'],
  additionalProperties: false,
}

const extraction: Workload = {
  name: 'extraction',
  // A required member is missing.
  planted: { every: 4, turn: 0, shows: /json/ },
  settings: {
    response_format: { type: 'json_schema', json_schema: { name: 'invoice', schema: invoiceSchema, strict: true } },
  },
  opening: (task) => [{ role: 'user', content: `Extract: invoice ${task}, seventeen euros and a half.` }],
  next: (task, turn) =>
    turn === 0 ? [{ role: 'user', content: `The total of invoice ${task} is wrong, it is 18 euros.` }] : null,
  says(task, turn, role) {
    const total = turn === 0 ? 17.5 : 18
    const currency = flawed(extraction, task, turn, role) ? undefined : 'EUR'
    // Another order of members is no difference.
    return {
      text: JSON.stringify(
        role === 'incumbent' ? { invoice: task, total, currency } : { currency, total, invoice: task },
      ),
    }
  },
}

// -------------------------------------------------------------------------------------------- long context

const chapter = 'The keeper wrote down the wind, the tide and every ship that passed the light. '

const reading: Workload = {
  name: 'reading',
  // Its window is too small for the second document.
  planted: { every: 4, turn: 1, shows: /http-400/ },
  settings: {},
  opening: (task) => [
    {
      role: 'user',
      content: `${chapter.repeat(300)}Document ${task} ends here. Which harbour does document ${task} name?`,
    },
  ],
  next: (task, turn) =>
    turn === 0
      ? [{ role: 'user', content: `${chapter.repeat(60)}And which year does document ${task} begin with?` }]
      : null,
  says(task, turn, role) {
    if (flawed(reading, task, turn, role))
      return { error: { status: 400, message: 'This is longer than the context window.' } }
    const fact = turn === 0 ? 'names the harbour of Aar' : 'begins with the year 17'
    return { text: role === 'incumbent' ? `Document ${task} ${fact}.` : `It ${fact} (document ${task}).` }
  },
}

// -------------------------------------------------------------------------------------------- coding agent

const coding: Workload = {
  name: 'coding',
  // Of two calls at once it makes one.
  planted: { every: 4, turn: 0, shows: /tool-calls/ },
  settings: {
    tools: [
      tool('read_file', { path: { type: 'string' } }),
      tool('edit_file', { path: { type: 'string' }, find: { type: 'string' }, replace: { type: 'string' } }),
      tool('run_tests', { folder: { type: 'string' } }),
    ],
  },
  opening: (task) => [
    { role: 'system', content: 'You read before you write, and you run the tests.' },
    { role: 'user', content: `Fix task ${task}: the parser and its test disagree.` },
  ],
  next: (_task, _turn, answer) => results(answer, 'export const answer = 41'),
  says(task, turn, role) {
    const folder = `src/task-${task}`
    const read = (file: string): { name: string; arguments: Record<string, unknown> } => ({
      name: 'read_file',
      arguments: { path: `${folder}/${file}` },
    })
    if (turn === 0)
      return {
        toolCalls: flawed(coding, task, turn, role)
          ? [read('parser.ts')]
          : // Calls made at once have no order.
            role === 'incumbent'
            ? [read('parser.ts'), read('parser.test.ts')]
            : [read('parser.test.ts'), read('parser.ts')],
      }
    if (turn === 1)
      return {
        toolCalls: [{ name: 'edit_file', arguments: { path: `${folder}/parser.ts`, find: '41', replace: '42' } }],
      }
    if (turn === 2) return { toolCalls: [{ name: 'run_tests', arguments: { folder } }] }
    return { text: role === 'incumbent' ? `Task ${task} is done.` : `All tests of task ${task} pass now.` }
  },
}

// ------------------------------------------------------------------------------------- nothing is planted

const letters: Workload = {
  name: 'letters',
  planted: null,
  settings: { temperature: 0.7 },
  opening: (task) => [{ role: 'user', content: `Write a line of thanks for letter ${task}.` }],
  next: (task, turn) => (turn === 0 ? [{ role: 'user', content: `Shorter, for letter ${task}.` }] : null),
  says: (task, turn, role) => ({
    text: `${role === 'incumbent' ? 'Thank you' : 'Many thanks'} for letter ${task}${turn === 0 ? ', it was a joy' : ''}.`,
  }),
}

export const workloads: readonly Workload[] = [support, extraction, reading, coding, letters]

/** The task of a conversation, and whose it is. */
export function taskOf(text: string): { readonly workload: Workload; readonly task: number } | null {
  const nouns: Readonly<Record<string, Workload>> = {
    order: support,
    invoice: extraction,
    document: reading,
    task: coding,
    letter: letters,
  }
  const [, noun, task] = /\b(order|invoice|document|task|letter) (\d{3})\b/i.exec(text) ?? []
  const workload = noun === undefined ? undefined : nouns[noun.toLowerCase()]
  return workload ? { workload, task: Number(task) } : null
}
