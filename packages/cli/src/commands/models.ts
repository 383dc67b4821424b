/** `portolan models`: which names callers may use, and where each leads. */
import { resolveUpstream } from '@portolan/upstream'
import { loadConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { json, table } from '../output.ts'
import type { CommonOptions } from './open.ts'

export function models(options: CommonOptions): void {
  const config = toGatewayConfig(loadConfig(options.config ?? null))
  const configured = config.models.map((model) => ({
    name: model.name,
    route: model.route.map(({ upstream, model: sent }) => (sent === null ? upstream : `${upstream}:${sent}`)),
  }))
  const known = new Set(configured.map((model) => model.name))
  const listed = config.upstreams.flatMap((upstream) =>
    resolveUpstream(upstream)
      .listedModels.filter((name) => !known.has(name))
      .map((name) => ({ name, route: [upstream.name] })),
  )
  const all = [...configured, ...listed]
  console.log(
    options.json
      ? json(all)
      : table(all, [
          { title: 'MODEL', value: (model) => model.name },
          { title: 'ROUTE', value: (model) => model.route.join(' > ') },
        ]),
  )
}
