/** The JSON Schema of `portolan.yaml`, for editors; kept at `docs/reference/portolan.schema.json`. */
import { z } from 'zod'
import { configSchema } from './schema.ts'

export function configJsonSchema(): Record<string, unknown> {
  // `input`: what a person writes, before defaults are filled in.
  return z.toJSONSchema(configSchema, { io: 'input' })
}
