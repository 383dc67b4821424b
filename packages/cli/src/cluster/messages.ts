/**
 * What primary and workers say to each other. Structured clone, so that amounts stay BigInt.
 *
 *   worker ── rows ──────▶ primary     every row of one turn of the worker's event loop
 *          ◀── settled ──              same number: durable, or why not; answers end only then
 *   worker ── listening ─▶ primary     its address
 *   worker ── metrics? ──▶ primary ──▶ aggregated text back
 *          ◀── reload, drain ──
 */
import type { LedgerRow } from '@portolan/store'

export type WorkerMessage =
  | { readonly type: 'rows'; readonly batch: number; readonly rows: readonly LedgerRow[] }
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'metrics'; readonly ask: number }

export type PrimaryMessage =
  /** `errors[i]` belongs to `rows[i]` of the batch; null: durable. */
  | { readonly type: 'settled'; readonly batch: number; readonly errors: readonly (string | null)[] }
  | { readonly type: 'metrics'; readonly ask: number; readonly text: string }
  | { readonly type: 'trouble'; readonly trouble: string | null }
  | { readonly type: 'reload' }
  | { readonly type: 'drain' }
