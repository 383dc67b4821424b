export { runLoad, type LoadOptions, type LoadReport } from './load.ts'
export { percentiles, type Percentiles } from './percentiles.ts'
export { cpuMsDuring, readProcess, type ProcessReading } from './process-cost.ts'
