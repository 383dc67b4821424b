/** One path and method of the admin API: what it takes, what it gives, and the work. */
import type { GatewayParts } from '@portolan/gateway'
import type { SqliteStore } from '@portolan/store'
import { z } from 'zod'

export interface AdminContext {
  readonly store: SqliteStore
  readonly parts: GatewayParts
  readonly nowMs: number
}

export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Segments in braces are parameters: `/keys/{id}`. */
  readonly path: string
  readonly summary: string
  readonly status: 200 | 201
  readonly query: z.ZodObject
  /** Null: takes none. */
  readonly body: z.ZodType | null
  readonly answer: z.ZodType
  readonly work: (context: AdminContext, given: GivenValues) => unknown
}

/** Checked before the work is called: `query` and `body` have passed the route's schemas. */
export interface GivenValues {
  readonly params: Readonly<Record<string, string>>
  readonly query: unknown
  readonly body: unknown
}

interface RouteInput<Query extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType> {
  readonly summary: string
  readonly status?: 200 | 201
  readonly query?: Query
  readonly body?: Body
  readonly answer: Answer
  readonly work: (
    context: AdminContext,
    given: {
      readonly params: Readonly<Record<string, string>>
      readonly query: z.infer<Query>
      readonly body: z.infer<Body>
    },
  ) => z.input<Answer>
}

const noQuery = z.strictObject({})

/** Types of query, body and answer hold inside the work; outside every route is alike. */
export function route<Query extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType>(
  method: AdminRoute['method'],
  path: string,
  { summary, status = 200, query, body, answer, work }: RouteInput<Query, Body, Answer>,
): AdminRoute {
  return {
    method,
    path,
    summary,
    status,
    query: query ?? noQuery,
    body: body ?? null,
    answer,
    work: (context, given) =>
      work(context, {
        params: given.params,
        query: given.query as z.infer<Query>,
        body: given.body as z.infer<Body>,
      }),
  }
}

/** A page of a list whose items have an order of their own; `after` is the id of the last one seen. */
export function pageFrom<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  { limit = 100, after }: { readonly limit?: number; readonly after?: string },
): { data: T[]; next: string | null } {
  const start = after === undefined ? 0 : items.findIndex((item) => idOf(item) === after) + 1
  // What was last seen is gone: begin again rather than end early.
  const data = items.slice(start, start + limit)
  const last = data.at(-1)
  return { data, next: start + limit < items.length && last !== undefined ? idOf(last) : null }
}
