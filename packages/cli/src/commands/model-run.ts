/**
 * `portolan model run`: one question, answered by the reference forward pass, streamed.
 *
 * The answer goes to stdout, reasoning and everything about the run to stderr, so that a pipe gets the answer
 * alone. Work is cut into pieces of at most half a second where the model allows it, so that Ctrl-C is heard
 * soon; a second Ctrl-C ends the process at once.
 */
import { setImmediate } from 'node:timers/promises'
import {
  CompletionStream,
  describeCheckpoint,
  encodeChat,
  makingOf,
  Model,
  promptTokens,
  Sampler,
  type Checkpoint,
  type ChatMessage,
  type CompletionEvent,
  type SequenceState,
  type StopCause,
  type TokenFilter,
} from '@portolan/model'
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import {
  bytesText,
  countText,
  openRunnableFolder,
  startProgress,
  untrainedNotice,
  type Progress,
} from './model-folder.ts'

export const thinkingWords = ['off', 'low', 'high', 'max'] as const

export interface RunOptions {
  readonly json?: boolean
  readonly prompt: string
  readonly system?: string
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly seed?: number
  readonly thinking: (typeof thinkingWords)[number]
}

/** What scripts know an interrupted process by. */
const interruptedExitCode = 130
const pieceMs = 500
const largestPieceTokens = 256

export async function runModel(directory: string, options: RunOptions): Promise<void> {
  const { checkpoint, tokenizer, profile } = await openRunnableFolder(directory)
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  process.once('SIGINT', interrupt)
  // Whoever reads the answer may leave early; that ends the run like Ctrl-C and is no fault. The listener stays:
  // each write that was under way fails on its own.
  process.stdout.on('error', interrupt)
  const progress = startProgress(options.json === true)
  try {
    const messages: ChatMessage[] = [{ role: 'user', content: options.prompt }]
    if (options.system !== undefined) messages.unshift({ role: 'system', content: options.system })
    const prompt = encodeChat(
      options.thinking === 'off'
        ? { messages, mode: 'chat' }
        : { messages, mode: 'thinking', effort: options.thinking },
      profile,
    )
    const ids = promptTokens(prompt.segments, tokenizer)
    const sampler = new Sampler({ temperature: options.temperature, topP: options.topP, seed: options.seed })
    const stream = new CompletionStream({ tokenizer, opens: prompt.opens, begun: prompt.begun, markup: profile.markup })

    progress.show('Reading weights ...')
    const model = Model.load(checkpoint, { residentExperts: residentExperts(checkpoint) })
    model.checkTokens(ids, 0)
    const notice = untrainedNotice(checkpoint.config)
    progress.end()
    if (notice !== null && !options.json) console.error(notice)

    const screen = options.json ? null : new Screen()
    const state = model.newState()
    const startedMs = performance.now()
    let logits = await prefill(model, state, ids, progress, interruption.signal)
    const promptMs = performance.now() - startedMs
    progress.end()

    // Rows of the embedding beyond the tokenizer are padding, which a trained model never chooses.
    const isKnown: TokenFilter | undefined =
      tokenizer.vocabularySize < checkpoint.config.vocabSize ? (id) => id < tokenizer.vocabularySize : undefined
    const limit = Math.min(options.maxTokens, checkpoint.config.maximumPositions - ids.length)
    let cause: StopCause = 'length'
    while (logits !== null && stream.outputTokens < limit) {
      const id = sampler.next(logits, isKnown)
      const events = stream.push(id)
      screen?.show(events)
      if (stream.isDone) cause = 'stop'
      if (stream.isDone || stream.outputTokens >= limit) break
      await setImmediate()
      if (interruption.signal.aborted) break
      logits = model.decode(state, id)
    }
    if (interruption.signal.aborted && !stream.isDone) cause = 'aborted'
    const lastEvents = stream.finish(cause)
    screen?.show(lastEvents)
    const outputMs = performance.now() - startedMs - promptMs

    const completion = stream.result()
    const figures = {
      promptTokens: ids.length,
      outputTokens: stream.outputTokens,
      reasoningTokens: stream.reasoningTokens,
      promptTokensPerSecond: perSecond(state.position === 0 ? 0 : Math.min(ids.length, state.position), promptMs),
      outputTokensPerSecond: perSecond(stream.outputTokens, outputMs),
    }
    if (options.json) {
      console.log(
        json({
          directory,
          making: makingOf(checkpoint.config),
          thinking: options.thinking,
          reasoning: completion.reasoning,
          text: completion.text,
          calls: completion.calls,
          finish: completion.finish,
          problems: completion.problems,
          seed: sampler.seed,
          ...figures,
        }),
      )
    } else {
      screen?.end()
      console.error(
        `${finishes[completion.finish]}. Prompt: ${figures.promptTokens} tokens at ${figures.promptTokensPerSecond.toFixed(1)}/s. ` +
          `Answer: ${figures.outputTokens} tokens at ${figures.outputTokensPerSecond.toFixed(1)}/s` +
          `${figures.reasoningTokens > 0 ? `, ${figures.reasoningTokens} of them reasoning` : ''}. Seed ${sampler.seed}.`,
      )
    }
    if (cause === 'aborted') process.exitCode = interruptedExitCode
  } finally {
    progress.end()
    process.off('SIGINT', interrupt)
    checkpoint.close()
  }
}

const finishes = {
  stop: 'The model ended its answer',
  length: 'Cut at the largest number of tokens',
  'tool-calls': 'The model called a tool and stopped',
  'stop-string': 'Ended by a stop string',
  aborted: 'Stopped by you',
} as const

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0
}

/** Most experts to hold at once, so that a model larger than memory runs as well. Undefined: all. */
function residentExperts(checkpoint: Checkpoint): number | undefined {
  const { totalBytes, bytesByPart, config } = describeCheckpoint(checkpoint)
  const availableBytes = process.availableMemory()
  const expertBytes = bytesByPart['routed-expert'] ?? 0
  const denseBytes = totalBytes - expertBytes
  if (denseBytes > availableBytes)
    throw new CliError(
      'CLI_NO_ROOM',
      `Every token needs ${bytesText(denseBytes)} of weights and ${bytesText(availableBytes)} of memory are free here: this model is too large for this machine.`,
    )
  if (totalBytes < availableBytes * 0.8) return undefined
  const experts = config.experts.routed * config.layers.length
  return Math.max(1, Math.floor((experts * (availableBytes - denseBytes) * 0.6) / expertBytes))
}

/** Takes the prompt in pieces, each about as long as may pass without hearing Ctrl-C. Null when it was heard. */
async function prefill(
  model: Model,
  state: SequenceState,
  ids: readonly number[],
  progress: Progress,
  signal: AbortSignal,
): Promise<Float32Array | null> {
  const startedMs = performance.now()
  let logits: Float32Array | null = null
  let pieceTokens = 4
  for (let at = 0; at < ids.length;) {
    const pieceStartedMs = performance.now()
    const piece = ids.slice(at, at + pieceTokens)
    logits = model.prefill(state, piece)
    at += piece.length
    const takenMs = performance.now() - pieceStartedMs
    pieceTokens = Math.max(
      1,
      Math.min(largestPieceTokens, 2 * pieceTokens, Math.floor((pieceTokens * pieceMs) / takenMs)),
    )
    if (performance.now() - startedMs > 300)
      progress.show(`Reading the prompt: ${countText(at)} of ${countText(ids.length)} tokens`)
    await setImmediate()
    if (signal.aborted) return null
  }
  return logits
}

const [dim, plain] = ['\u001b[2m', '\u001b[0m']

/** Shows events as they come: the answer on stdout, reasoning and calls on stderr. */
class Screen {
  readonly #isTerminal = process.stderr.isTTY
  #at: 'start' | 'reasoning' | 'text' | 'call' = 'start'
  #endsLine = true

  show(events: readonly CompletionEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case 'reasoning-delta':
          this.#turn('reasoning')
          this.#say(this.#isTerminal ? `${dim}${event.text}${plain}` : event.text)
          this.#endsLine = event.text.endsWith('\n')
          break
        case 'text-delta':
          this.#turn('text')
          process.stdout.write(event.text)
          this.#endsLine = event.text.endsWith('\n')
          break
        case 'tool-call-start':
          this.#turn('call')
          this.#say(`calls ${event.name} `)
          this.#endsLine = false
          break
        case 'tool-call-delta':
          this.#say(event.argumentsDelta)
          break
        case 'tool-call-end':
          this.#say(event.complete ? '\n' : ' (cut off)\n')
          this.#endsLine = true
          break
        default:
      }
    }
  }

  /** A line of its own for what follows. */
  end(): void {
    if (this.#endsLine) return
    if (this.#at === 'text') process.stdout.write('\n')
    else this.#say('\n')
    this.#endsLine = true
  }

  #turn(to: 'reasoning' | 'text' | 'call'): void {
    if (this.#at === to) return
    this.end()
    if (to === 'reasoning') this.#say('Thinking:\n')
    if (to === 'text' && this.#at === 'reasoning') this.#say('Answer:\n')
    this.#at = to
  }

  #say(text: string): void {
    process.stderr.write(text)
  }
}
