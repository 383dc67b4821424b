/**
 * Sets the stage: stand-in suppliers for every protocol and dialect, the gateway between (or nothing, with
 * PORTOLAN_CLIENTS=direct, which proves the stand-ins and the tests themselves), and a tap in front of the door.
 *
 *   client ─▶ tap ─▶ gateway ─▶ stand-in          (the usual way)
 *   client ─▶ tap ─▶ stand-in                     (direct, same protocol only)
 *
 * `verify` is called after every test: no supplier got a request that it would refuse, and the client got
 * nothing that the vendor's own types do not allow.
 */

import assert from 'node:assert/strict'
import { startMockUpstream, type Dialect, type MockUpstream, type RecordedRequest } from '../mock-upstream/src/index.ts'
import { startGateway, type RunningGateway, type UpstreamEntry } from './gateway.ts'
import { judgeExchange, shorten, type Door } from './judge-exchange.ts'
import { makeJudge, type Judge, type JudgedType } from './judges.ts'
import { scenes, type SceneName } from './scenes.ts'
import { startTap } from './tap.ts'

export type { Door }

export interface Target {
  name: string
  protocol: Door
  dialect: Dialect
  kind: string
  /** The supplier's own name of the model. */
  model: string
}

export const targets: readonly Target[] = [
  { name: 'deepseek-chat', protocol: 'chat', dialect: 'deepseek', kind: 'deepseek', model: 'deepseek-flash' },
  { name: 'openai-chat', protocol: 'chat', dialect: 'openai', kind: 'openai', model: 'gpt-5.5' },
  { name: 'vllm-chat', protocol: 'chat', dialect: 'vllm', kind: 'vllm', model: 'deepseek-ai/DeepSeek-V4-Flash' },
  { name: 'anthropic-messages', protocol: 'messages', dialect: 'anthropic', kind: 'anthropic', model: 'claude-opus-5' },
  { name: 'deepseek-messages', protocol: 'messages', dialect: 'deepseek', kind: 'deepseek', model: 'deepseek-flash' },
  { name: 'openai-responses', protocol: 'responses', dialect: 'openai', kind: 'openai', model: 'gpt-5.5' },
  { name: 'deepseek-responses', protocol: 'responses', dialect: 'deepseek', kind: 'deepseek', model: 'deepseek-flash' },
]

export const direct = process.env.PORTOLAN_CLIENTS === 'direct'

export interface Stage {
  /** Origin and prefix without a version segment. */
  baseUrl: string
  key: string
  model: string
  target: Target
  door: Door
  /** What the supplier behind this stage has got so far, in order. */
  seen: () => RecordedRequest[]
}

export interface Theatre {
  door: Door
  /** Suppliers to play with: all through the gateway, those of the door's own protocol when direct. */
  targets: readonly Target[]
  stage: (target: Target, scene: SceneName) => Stage
  /** Asserts that nothing was said that a vendor would refuse, and forgets it. */
  verify: () => void
  close: () => Promise<void>
}

export async function openTheatre(door: Door, only?: (target: Target) => boolean): Promise<Theatre> {
  const judge = await makeJudge()
  const playing = targets.filter((target) => (only?.(target) ?? true) && (!direct || target.protocol === door))
  const suppliers = new Map<Target, MockUpstream>()
  for (const target of playing) suppliers.set(target, await startSupplier(target, door, judge))
  let gateway: RunningGateway | undefined
  if (!direct) gateway = await startGateway(gatewaySetup(suppliers))
  const tapsByTarget = new Map<Target, Awaited<ReturnType<typeof startTap>>>()
  for (const target of playing) {
    const supplier = suppliers.get(target)
    if (supplier) tapsByTarget.set(target, await startTap(gateway?.url ?? supplier.url))
  }

  return {
    door,
    targets: playing,
    stage: (target, scene) => {
      const tap = tapsByTarget.get(target)
      const supplier = suppliers.get(target)
      assert.ok(tap && supplier)
      return {
        baseUrl: direct ? `${tap.url}/${scene}` : tap.url,
        key: gateway?.key ?? 'stand-in-key',
        model: direct ? target.model : modelName(target, scene),
        target,
        door,
        seen: () => supplier.requests,
      }
    },
    verify: () => {
      const faults: string[] = []
      for (const [target, supplier] of suppliers) {
        for (const violation of supplier.violations) {
          const request = supplier.requests[violation.request]
          faults.push(
            `${target.name} would refuse: ${violation.message}\n    in ${shorten(request?.bytes.toString() ?? '')}`,
          )
        }
        supplier.clear()
      }
      for (const [target, tap] of tapsByTarget) {
        for (const exchange of tap.take()) {
          const fault = isTheVendors(target, door) ? judgeExchange(judge, door, exchange) : undefined
          if (fault) faults.push(`towards the client (${target.name}, ${exchange.path}): ${fault}`)
        }
      }
      if (faults.length > 0 && gateway?.complaints()) faults.push(`the gateway said: ${shorten(gateway.complaints())}`)
      assert.equal(faults.length, 0, faults.join('\n'))
    },
    close: async () => {
      for (const tap of tapsByTarget.values()) await tap.close()
      await gateway?.close()
      for (const supplier of suppliers.values()) await supplier.close()
    },
  }
}

function modelName(target: Target, scene: SceneName): string {
  return `${target.name}.${scene}`
}

function startSupplier(target: Target, door: Door, judge: Judge): Promise<MockUpstream> {
  return startMockUpstream({
    script: scenes.plain,
    scenes,
    dialect: target.dialect,
    apiKeys: ['stand-in-key'],
    models: [target.model],
    // What we write ourselves keeps to the safe form; what a client wrote is passed on as it is.
    refuseNullContent: target.protocol !== door,
    judge: (request) => {
      const type = requestType(request)
      const fault = type ? judge(type, withoutNullReasoning(request.json)) : undefined
      return fault ? [{ path: '', message: `(vendor's types) ${fault}` }] : []
    },
  })
}

/** The vendor's own agent (codex 0.169) replays reasoning items with `content: null`, which the types do not have. */
function withoutNullReasoning(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('input' in body) || !Array.isArray(body.input)) return body
  const input = (body.input as unknown[]).map((item) => {
    if (typeof item !== 'object' || item === null || !('content' in item) || item.content !== null) return item
    const { content: _content, ...rest } = item
    return rest
  })
  return { ...body, input }
}

/**
 * Where bytes are forwarded as they are, they are the supplier's own, and the vendor's types hold only for the vendor.
 */
function isTheVendors(target: Target, door: Door): boolean {
  return target.protocol !== door || target.dialect === 'openai' || target.dialect === 'anthropic'
}

function requestType(request: RecordedRequest): JudgedType | undefined {
  if (request.protocol === 'chat') return 'ChatRequest'
  if (request.protocol === 'responses') return 'ResponsesRequest'
  // Sampling is in no type any more; the older version still takes it, and betas have fields of their own.
  if (request.protocol === 'messages')
    return request.headers['anthropic-beta'] ? 'MessagesBetaRequest' : 'MessagesRequest'
  return undefined
}

/** One upstream per target and scene, so that a scene full of errors cannot close the door for the others. */
function gatewaySetup(suppliers: Map<Target, MockUpstream>): Parameters<typeof startGateway>[0] {
  const upstreams: Record<string, UpstreamEntry> = {}
  const models: Record<string, { route: string[]; model: string }> = {}
  for (const [target, supplier] of suppliers) {
    for (const scene of Object.keys(scenes)) {
      const name = `${target.name}.${scene}`
      upstreams[name] = { kind: target.kind, baseUrl: `${supplier.url}/${scene}`, protocols: [target.protocol] }
      models[name] = { route: [name], model: target.model }
    }
  }
  return { upstreams, models }
}
