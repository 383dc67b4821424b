export { UpstreamError, upstreamErrors, type UpstreamErrorCode, type UpstreamErrorOptions } from './errors.ts'
