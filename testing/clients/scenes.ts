/**
 * The scenes every client plays, and what it must have seen at the end. The scripts behind them speak no
 * protocol, so one expectation holds for every pair of door and upstream.
 */

import { scripts, toolResultsOf, type Answer, type ConversationView, type Script } from '../mock-upstream/src/index.ts'

/** A real picture: one red pixel. */
export const redPixelPng =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
export const redPixelReport = `image/png of ${Buffer.from(redPixelPng, 'base64').length} bytes`

export const citySchema = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'number' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
} as const
export const cityValue = { city: 'Genoa', degrees: 21 }

export const streamedText = Array.from(
  { length: 4 },
  (_, i) => `Line ${i + 1}: crossing to the other harbour, Überfahrt, 航海, 🧭.`,
).join('\n')

export const loopTurns = 5
export const loopEnd = `Finished after ${loopTurns} steps.`
export const refusalText = 'I cannot help with that.'
export const cutText = 'This sentence ends in the mid'
export const plainUsage = { input: 64, cached: 32, output: 4 }

/** What the agents' shells are made to print; arithmetic proves that a shell ran. */
export function agentCommand(step: number): string {
  return `echo step-${step}-$((40+${step}))`
}
export function agentOutput(step: number): string {
  return `step-${step}-${40 + step}`
}
export const agentEnd = 'The agent is done.'

export const scenes = {
  plain: scripts.plainText('PONG'),
  stream: scripts.streamed(4),
  parallel: scripts.parallelTools(undefined, 'Two answers are needed, so I ask for both at once.'),
  loop: scripts.toolLoop(loopTurns, 'step'),
  image: scripts.imageReport(),
  structured: scripts.structured(cityValue),
  refusal: scripts.refusal(refusalText),
  maxtokens: scripts.maxTokens(cutText),
  error400: scripts.failing(400, { message: 'The stand-in refuses this on purpose.' }),
  error429: scripts.failing(429, { retryAfter: 1, message: 'Too many, on purpose.' }),
  error500: scripts.failing(500, { message: 'Broken, on purpose.' }),
  errorstream: scripts.failingInStream(6),
  cutstream: scripts.cutInStream(6),
  agent: agent(loopTurns, 1),
  agentparallel: agent(2, 2),
} satisfies Record<string, Script>

export type SceneName = keyof typeof scenes

const shellNames = ['Bash', 'bash', 'exec_command', 'shell_command', 'shell', 'local_shell']

/** Drives an agent's own shell tool: `total` commands, `atOnce` in one turn, a thought before each turn. */
function agent(total: number, atOnce: number): Script {
  return (request): Answer => {
    const shell = shellCall(request.view)
    // Titles and summaries are asked for without tools.
    if (!shell) return { text: 'A short title' }
    const done = toolResultsOf(request.view).length
    if (done >= total) return { reasoning: 'Everything ran.', text: agentEnd }
    return {
      reasoning: `I run command ${done + 1} of ${total}.`,
      text: done === 0 ? 'I begin.' : undefined,
      toolCalls: Array.from({ length: atOnce }, (_, i) => shell(agentCommand(done + i + 1))),
    }
  }
}

/** Finds the shell among the offered tools and fills its arguments by its own schema. */
function shellCall(
  view: ConversationView,
): ((command: string) => { name: string; arguments: Record<string, unknown> }) | undefined {
  for (const wanted of shellNames) {
    const tool = view.tools.find((one) => one.name === wanted || one.name.endsWith(`__${wanted}`))
    if (!tool) continue
    const properties = propertiesOf(tool.schema)
    return (command) => {
      const filled: Record<string, unknown> = {}
      if ('command' in properties) {
        filled.command = propertiesOf({ properties })?.command?.type === 'array' ? ['bash', '-lc', command] : command
      } else filled.cmd = command
      if ('description' in properties) filled.description = 'Print a line'
      return { name: tool.name, arguments: filled }
    }
  }
  return undefined
}

function propertiesOf(schema: unknown): Record<string, { type?: unknown }> {
  if (typeof schema !== 'object' || schema === null || !('properties' in schema)) return {}
  return schema.properties as Record<string, { type?: unknown }>
}
