/** Public surface of `gateway`. */
export { defaultConfig, defaultLimits, type GatewayConfig, type GatewayLimits, type ModelConfig } from './config.ts'
export { GatewayError, gatewayErrors, type GatewayErrorCode } from './errors.ts'
export { startGateway, type Gateway, type GatewayOptions, type GatewayStore } from './gateway.ts'
export { AlertDelivery, type AlertTarget } from './limits/alert-delivery.ts'
export type { RecordingPort, SettledExchange } from './exchange/recording-port.ts'
export type { RequestTelemetry, SettledRequest, TraceContext } from './telemetry-port.ts'
