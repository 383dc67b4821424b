/**
 * What the meter learns from an answer while it passes: clocks, counts, usage, and how it ended.
 *
 * Fed with the canonical events of every answer, translated or not. Keeps sums; text only where it must be recalled
 * later, or may have to be counted.
 */
import { noUsage, type CanonicalEvent, type ErrorKind, type Usage } from '@portolan/wire'
import type { AskedForm } from './asked-form.ts'
import type { GeneratedText } from './generated-text.ts'
import type { RecallCapture } from './recall.ts'
import type { AnswerCapture } from './recording-port.ts'

export class Observer {
  readonly #startedAt: number
  readonly #recall: RecallCapture | null
  /** Milliseconds since the request started; null: did not happen. */
  firstReasoningMs: number | null = null
  firstTextMs: number | null = null
  /** The last usage the upstream reported; counts overwrite, they never add. */
  usage: Usage = noUsage
  usageReported = false
  servedModel: string | null = null
  upstreamId: string | null = null
  /** UTF-16 units of what was generated, for estimates when no usage arrives. */
  generatedChars = 0
  /** Set where the model's own tokenizer can count what was generated. */
  generated: GeneratedText | null = null
  /** Set where an upstream was asked for a form in words. */
  form: AskedForm | null = null
  toolCalls = 0
  /** True once anything that a client could show has been seen. */
  meaningful = false
  ended = false
  /** Set while the exchange is being recorded. */
  capture: AnswerCapture | null = null
  error: { readonly kind: ErrorKind; readonly message: string; readonly code: string | null } | null = null

  /**
   * @param startedAt `performance.now()` of the request's start.
   * @param recall    where reasoning is kept for callers that will drop it; null: nowhere.
   */
  constructor(startedAt: number, recall: RecallCapture | null = null) {
    this.#startedAt = startedAt
    this.#recall = recall
  }

  /** Is reasoning being kept for this caller? */
  get recalls(): boolean {
    return this.#recall !== null
  }

  /** A new attempt begins: an earlier one said nothing that the caller saw, so nothing of it may count. */
  restart(): void {
    this.capture?.restart()
    this.form = null
    this.generated?.clear()
    this.generatedChars = 0
    this.toolCalls = 0
    this.firstReasoningMs = null
    this.firstTextMs = null
    this.usage = noUsage
    this.usageReported = false
    this.servedModel = null
    this.upstreamId = null
    this.meaningful = false
    this.ended = false
    this.error = null
  }

  observe(event: CanonicalEvent): void {
    this.#recall?.observe(event)
    this.capture?.observe(event)
    this.form?.observe(event)
    switch (event.type) {
      case 'response-start':
        this.upstreamId = event.id || null
        this.servedModel = event.model || null
        if (event.usage) this.#take(event.usage)
        break
      case 'text-delta':
        this.meaningful = true
        this.#generate(event.key, event.text, false)
        this.firstTextMs ??= this.#elapsed()
        break
      case 'reasoning-delta':
        this.meaningful = true
        this.#generate(event.key, event.text, true)
        this.firstReasoningMs ??= this.#elapsed()
        break
      case 'tool-call-start':
        this.meaningful = true
        this.toolCalls++
        this.#generate(event.key, event.name, false)
        // A tool call is visible work: the client can act on it.
        this.firstTextMs ??= this.#elapsed()
        break
      case 'tool-call-delta':
        this.#generate(event.key, event.argumentsDelta, false)
        break
      case 'foreign':
      case 'text-start':
      case 'reasoning-start':
        this.meaningful = true
        break
      case 'usage':
        this.#take(event.usage)
        break
      case 'response-end':
        this.meaningful = true
        this.ended = true
        this.#take(event.usage)
        break
      case 'error':
        this.error = event
        break
      default:
        break
    }
  }

  #generate(key: number, text: string, reasoning: boolean): void {
    this.generatedChars += text.length
    this.generated?.add(key, text, reasoning)
  }

  #take(usage: Usage): void {
    if (usage.inputTokens === null && usage.outputTokens === null) return
    this.usage = usage
    // A start event reports the input alone; only a report that covers the output settles a request.
    if (usage.outputTokens !== null) this.usageReported = true
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt
  }
}
