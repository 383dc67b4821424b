/** Finds the route of a call, checks what was given, does the work. */
import { AdminError, type AdminAnswer, type AdminCall, type GatewayParts } from '@portolan/gateway'
import type { SqliteStore } from '@portolan/store'
import type { z } from 'zod'
import { json } from '../output.ts'
import { openApiDocument } from './openapi.ts'
import type { AdminRoute } from './route.ts'
import { adminRoutes } from './routes.ts'

/** @throws AdminError */
export function answerAdmin(call: AdminCall, store: SqliteStore, parts: GatewayParts): AdminAnswer {
  if (call.path.join('/') === 'openapi.json') {
    if (call.method !== 'GET') return notAllowed(['GET'])
    return { status: 200, text: JSON.stringify(openApiDocument()) }
  }
  const found = adminRoutes.flatMap((route) => {
    const params = matched(route, call.path)
    return params === null ? [] : [{ route, params }]
  })
  if (found.length === 0)
    throw new AdminError(
      'ADMIN_NOT_FOUND',
      `Nothing is at /admin/${call.path.join('/').slice(0, 100)}. GET /admin/openapi.json lists the paths.`,
    )
  const here = found.find(({ route }) => route.method === call.method)
  if (here === undefined) return notAllowed(found.map(({ route }) => route.method))
  const { route, params } = here
  if (route.body === null && call.body !== undefined)
    throw new AdminError('ADMIN_BAD_BODY', `${route.method} ${route.path} takes no body.`)
  const query = checked(route.query, Object.fromEntries(call.query), 'the query')
  const body = route.body === null ? undefined : checked(route.body, call.body ?? {}, 'the body')
  return { status: route.status, text: json(route.work({ store, parts, nowMs: parts.now() }, { params, query, body })) }
}

function matched({ path }: AdminRoute, given: readonly string[]): Record<string, string> | null {
  const wanted = path.split('/').slice(1)
  if (wanted.length !== given.length) return null
  const params: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? ''
    if (part.startsWith('{')) params[part.slice(1, -1)] = value
    else if (part !== value) return null
  }
  return params
}

function checked(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { issues } = parsed.error
  // A misspelt member is also a missing one; the misspelling is what to say.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  if (issue?.code === 'unrecognized_keys')
    throw new AdminError('ADMIN_BAD_FIELD', `There is no field "${issue.keys[0]}" in ${where}.`, issue.keys[0] ?? null)
  const field = issue === undefined || issue.path.length === 0 ? null : issue.path.map(String).join('.')
  throw new AdminError('ADMIN_BAD_FIELD', `${field ?? where}: ${issue?.message ?? 'not of the right form'}.`, field)
}

function notAllowed(methods: readonly string[]): AdminAnswer {
  const allow = methods.join(', ')
  const error = { code: 'ADMIN_BAD_METHOD', message: `This path takes ${allow}.`, field: null }
  return { status: 405, text: JSON.stringify({ error }), allow }
}
