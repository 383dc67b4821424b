/**
 * A finished completion in one go, and its way back into the conversation.
 */
import type { AssistantMessage } from '../encoding/messages.ts'
import type { Completion, StopCause } from './completion-event.ts'
import { CompletionMachine } from './completion-machine.ts'
import type { CompletionMachineOptions } from './completion-machine.ts'

/** Reads a whole completion, with or without its end token. Never throws. */
export function parseCompletion(
  text: string,
  options: CompletionMachineOptions,
  cause: StopCause = 'stop',
): Completion {
  const machine = new CompletionMachine(options)
  machine.push(text)
  machine.finish(cause)
  return machine.result()
}

/**
 * The message that continues the conversation. Incomplete calls are left out; the exact call block is kept,
 * so that encoding the conversation again repeats what was sampled.
 *
 * @param callIds One id for each call, in order, as given to the client.
 */
export function assistantMessage(completion: Completion, callIds: readonly string[] = []): AssistantMessage {
  const toolCalls = completion.calls.flatMap(({ name, argumentsText, complete }, index) =>
    complete ? [{ id: callIds[index] ?? null, name, argumentsText }] : [],
  )
  return {
    role: 'assistant',
    content: completion.text,
    reasoning: completion.reasoning,
    toolCalls,
    rawCalls: completion.rawCalls,
  }
}
