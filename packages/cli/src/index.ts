/** Public surface of `cli`: the command line as a function, and what its reference pages are made of. */
export { answerAdmin } from './admin/answer.ts'
export { openApiDocument } from './admin/openapi.ts'
export { configJsonSchema } from './config/json-schema.ts'
export { cliErrors, type CliErrorCode } from './errors.ts'
export { run } from './main.ts'
