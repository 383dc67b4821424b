/** Public surface of `cli`: the command line as a function, and what its reference pages are made of. */
export { configJsonSchema } from './config/json-schema.ts'
export { cliErrors, type CliErrorCode } from './errors.ts'
export { run } from './main.ts'
