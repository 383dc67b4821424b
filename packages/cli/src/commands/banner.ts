/** What a person sees when the gateway starts: where the doors are, a key, and lines to copy. */
import type { GatewayConfig } from '@portolan/gateway'

export interface BannerFacts {
  readonly url: string
  /** Null when a usable key exists already: it is not known here. */
  readonly secret: string | null
  /** Null: there is one already, or no admin API. */
  readonly adminToken: string | null
  readonly config: GatewayConfig
  readonly upstreams: readonly { readonly name: string; readonly kind: string; readonly baseUrl: string | null }[]
  readonly dataPath: string
  readonly configPath: string | null
}

export function banner({ url, secret, adminToken, config, upstreams, dataPath, configPath }: BannerFacts): string {
  const key = secret ?? '$PORTOLAN_KEY'
  const untrained = config.upstreams.some(({ kind, model: own }) => kind === 'embedded' && !own?.checkpoint)
  const isAlone = upstreams.every(({ kind }) => kind === 'demo' || kind === 'embedded')
  const model = config.models[0]?.name ?? exampleModel(upstreams[0]!.kind)
  return `
Portolan listens on ${url}

  Doors       OpenAI Chat         ${url}/v1/chat/completions
              Anthropic Messages  ${url}/v1/messages
              OpenAI Responses    ${url}/v1/responses
  Upstreams   ${upstreams.map(({ name, kind, baseUrl }) => `${name} (${kind}${baseUrl === null ? '' : `, ${baseUrl}`})`).join('\n              ')}
  API key     ${secret === null ? 'use one made before, or `npm run portolan -- keys create NAME`' : `${secret}   (shown once)`}${
    adminToken === null
      ? ''
      : `
  Admin       ${url}/admin   ${adminToken}   (shown once)`
  }
  Data        ${dataPath}
  Config      ${configPath ?? 'none; `npm run portolan -- init` writes portolan.yaml'}
${untrained && isAlone ? noKeyText : ''}
curl
  curl ${url}/v1/chat/completions -H "authorization: Bearer ${key}" -H "content-type: application/json" \\
    -d '{"model":"${model}","messages":[{"role":"user","content":"Say hello."}]}'

OpenAI SDK        new OpenAI({ baseURL: '${url}/v1', apiKey: '${key}' })
Anthropic SDK     new Anthropic({ baseURL: '${url}', apiKey: '${key}' })
Claude Code       ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=${key} ANTHROPIC_MODEL=${model} claude
Codex             PORTOLAN_KEY=${key} codex -c model_provider=portolan -c model=${model} \\
                    -c 'model_providers.portolan={name="Portolan",base_url="${url}/v1",env_key="PORTOLAN_KEY",wire_api="responses"}'

Metrics at ${url}/metrics, health at ${url}/healthz. Ctrl-C finishes answers in flight and stops.
`
}

const noKeyText = `
  No DEEPSEEK_API_KEY, OPENAI_API_KEY or ANTHROPIC_API_KEY was found, so a small DeepSeek-V4 in this process
  answers, under any model name. It is UNTRAINED: its weights are random numbers and its words are random,
  as each of its answers says first. \`portolan-demo\` is no model at all and answers with a fixed text.
`

function exampleModel(kind: string): string {
  return (
    {
      demo: 'portolan-demo',
      embedded: 'deepseek-v4-flash',
      deepseek: 'deepseek-v4-pro',
      openai: 'gpt-6-luna',
      anthropic: 'claude-haiku-5-5',
    }[kind] ?? 'MODEL'
  )
}
