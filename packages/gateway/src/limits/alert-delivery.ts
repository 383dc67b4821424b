/**
 * Tells alerts of budgets to one address: signed, tried again with growing pauses, and never in a request's way.
 *
 * Alerts wait in the store, so that neither a restart nor a dead receiver loses one; the queue there has an end.
 * Nothing goes anywhere but to the configured address: redirects are failures, and the answer's body is not read.
 *
 *   x-portolan-signature: t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">
 */
import { createHmac } from 'node:crypto'
import type { Logger } from 'pino'
import { HttpClient } from '@portolan/upstream'
import { periodName, type AlertStore, type BudgetAlert } from '@portolan/store'

export interface AlertTarget {
  readonly url: string
  readonly secret: string
}

export interface AlertDeliveryOptions {
  readonly store: AlertStore
  /** Null: alerts are kept for `portolan` and the admin API, and told to nobody. */
  readonly target: AlertTarget | null
  readonly now: () => number
  readonly log: Pick<Logger, 'warn'>
  /** How often the queue is looked at. Default 1000. */
  readonly everyMs?: number
  /** First pause after a failure, doubling. Default 5000: the ninth and last try comes after some 20 minutes. */
  readonly firstPauseMs?: number
}

const mostAttempts = 9
const atOnce = 20
const answerMs = 10_000

export class AlertDelivery {
  readonly #options: AlertDeliveryOptions
  readonly #http = new HttpClient({ connections: 2 })
  #target: AlertTarget | null
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> | null = null

  constructor(options: AlertDeliveryOptions) {
    this.#options = options
    this.#target = options.target
  }

  start(): void {
    this.#timer = setInterval(() => void this.round(), this.#options.everyMs ?? 1000).unref()
  }

  /** After a reload. */
  retarget(target: AlertTarget | null): void {
    this.#target = target
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    await this.#running
    await this.#http.close()
  }

  /** One look at the queue. Never rejects; a round that is under way is not started twice. */
  round(): Promise<void> {
    this.#running ??= this.#deliverDue()
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'alerts could not be read'))
      .finally(() => (this.#running = null))
    return this.#running
  }

  async #deliverDue(): Promise<void> {
    const { store, now, log, firstPauseMs = 5000 } = this.#options
    for (const alert of store.dueAlerts(now(), atOnce)) {
      const target = this.#target
      if (target === null) {
        store.noteDelivery(alert.seq, 'untold', now())
        continue
      }
      const failure = await this.#post(target, alert)
      if (failure === null) {
        store.noteDelivery(alert.seq, 'delivered', now())
        continue
      }
      const over = alert.attempts + 1 >= mostAttempts
      log.warn({ alert: alert.seq, attempt: alert.attempts + 1, reason: failure }, 'alert not delivered')
      // A tenth of the pause at random, so that a receiver that comes back is not met by all at once.
      const pauseMs = firstPauseMs * 2 ** alert.attempts * (1 + Math.random() / 10)
      store.noteDelivery(alert.seq, over ? 'given-up' : 'waiting', now() + pauseMs)
    }
  }

  /** Null: the receiver said 2xx. Else why not, without the address: it may hold a secret. */
  #post(target: AlertTarget, alert: BudgetAlert): Promise<string | null> {
    const url = new URL(target.url)
    const body = alertBody(alert)
    return new Promise((resolve) => {
      const handle = this.#http.send(
        {
          name: 'webhook',
          origin: url.origin,
          path: url.pathname + url.search,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'portolan',
            'x-portolan-delivery': `alert_${alert.seq}`,
            'x-portolan-signature': signature(target.secret, body, Math.floor(this.#options.now() / 1000)),
          },
          body: Buffer.from(body),
          timeouts: { firstByteMs: answerMs, connectMs: answerMs, idleMs: answerMs },
        },
        {
          onHeaders: (status) => {
            resolve(status >= 200 && status < 300 ? null : `the receiver answered ${status}`)
            setImmediate(() => handle.abort())
          },
          onData: () => true,
          onEnd: () => resolve('the receiver closed without an answer'),
          onFail: (error) => resolve(error.message),
        },
      )
    })
  }
}

export function signature(secret: string, body: string, atSec: number): string {
  return `t=${atSec},v1=${createHmac('sha256', secret).update(`${atSec}.${body}`).digest('hex')}`
}

/** Amounts are decimal text: of the currency, or whole tokens or requests. */
export function alertBody({ seq, event, firedAtMs, budget }: BudgetAlert): string {
  const percent = /^threshold-(\d+)$/.exec(event)?.[1]
  const amount = (text: string): string => (budget.unit === 'money' ? fromNanos(text) : text)
  return JSON.stringify({
    id: `alert_${seq}`,
    type: percent === undefined ? 'budget.refused' : 'budget.threshold',
    percent: percent === undefined ? null : Number(percent),
    firedAt: new Date(firedAtMs).toISOString(),
    budget: {
      id: budget.id,
      of: budget.subject || null,
      unit: budget.unit,
      currency: budget.currency,
      limit: amount(budget.limit),
      spent: amount(budget.spent),
      reserved: amount(budget.reserved),
      period: periodName(budget),
      periodStart: new Date(budget.periodStartMs).toISOString(),
      resetsAt: budget.resetsAtMs === null ? null : new Date(budget.resetsAtMs).toISOString(),
    },
  })
}

/** Exact, without trailing noughts. */
function fromNanos(text: string): string {
  const digits = text.padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return digits.slice(0, -9) + (fraction === '' ? '' : `.${fraction}`)
}
