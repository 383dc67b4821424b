/** The admin API's OpenAPI 3.1 document, made of its routes and their schemas; at `/admin/openapi.json`. */
import { adminErrors } from '@portolan/gateway'
import { z } from 'zod'
import type { AdminRoute } from './route.ts'
import { adminRoutes } from './routes.ts'
import { errorView } from './schemas.ts'

type Json = Readonly<Record<string, unknown>>

export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of adminRoutes) (paths[`/admin${route.path}`] ??= {})[route.method.toLowerCase()] = operation(route)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Portolan admin API',
      version: '1',
      description:
        'Keys, teams, budgets, rate limits, usage, prices and health, for operators. Answers callers on the same machine unless `admin.remote` is set. Every error is `{"error":{"code","message","field"}}`; codes keep their meaning. Amounts are decimal text, instants ISO 8601. Lists come in pages: `after` takes `next` of the page before.',
    },
    servers: [{ url: 'http://127.0.0.1:4114' }],
    security: [{ adminToken: [] }],
    paths,
    components: {
      securitySchemes: {
        adminToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'Shown once at the first start; `portolan admin token rotate` makes a new one.',
        },
      },
      responses: {
        error: {
          description: Object.entries(adminErrors)
            .map(([code, { status, summary }]) => `${status} \`${code}\`: ${summary}`)
            .join('\n'),
          content: { 'application/json': { schema: schemaOf(errorView, 'output') } },
        },
      },
    },
  }
}

function operation({ method, path, summary, status, query, body, answer }: AdminRoute): Json {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = Object.entries(query.shape).map(([name, schema]) => {
    const { description, ...rest } = schemaOf(schema as z.ZodType, 'input')
    return { name, in: 'query', required: false, ...(description === undefined ? {} : { description }), schema: rest }
  })
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\/\{?(\w)(\w*)\}?/g, (_whole, first: string, rest: string) => first.toUpperCase() + rest)}`,
    summary,
    ...(inPath.length + inQuery.length === 0 ? {} : { parameters: [...inPath, ...inQuery] }),
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      [status]: {
        description: summary,
        content: { 'application/json': { schema: schemaOf(answer, 'output') } },
      },
      default: { $ref: '#/components/responses/error' },
    },
  }
}

/** JSON Schema 2020-12, which is OpenAPI 3.1's own dialect; `$schema` goes without saying. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
