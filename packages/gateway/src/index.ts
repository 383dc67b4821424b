/** Public surface of `gateway`. */
export { defaultConfig, defaultLimits, type GatewayConfig, type GatewayLimits, type ModelConfig } from './config.ts'
export { GatewayError, gatewayErrors, type GatewayErrorCode } from './errors.ts'
export { startGateway, type Gateway, type GatewayOptions, type GatewayParts, type GatewayStore } from './gateway.ts'
export { type AdminAnswer, type AdminCall, type AdminOptions } from './admin/admin-door.ts'
export { AdminError, adminErrors, type AdminErrorCode } from './admin/errors.ts'
export { alertBody, AlertDelivery, type AlertTarget } from './limits/alert-delivery.ts'
export type { RecordingPort, SettledExchange } from './exchange/recording-port.ts'
export type { RequestTelemetry, SettledRequest, TraceContext } from './telemetry-port.ts'
