/** What upstreams that answer inside this process have in common: no network, no key, no vendor, every door. */
import type { Dialect, Protocol } from '@portolan/wire'
import type { Address, UpstreamDefinition } from './capabilities.ts'

type InProcess = Pick<
  UpstreamDefinition,
  | 'transport'
  | 'defaultBaseUrl'
  | 'defaultKeyEnv'
  | 'needsKey'
  | 'vendor'
  | 'profile'
  | 'addresses'
  | 'defaultProtocols'
  | 'baseUrlEndings'
  | 'passThrough'
  | 'modelsPath'
  | 'modelNames'
  | 'errorQuirks'
  | 'defaultConcurrency'
>

/** @param dialect what the generator understands, the same at every door. */
export function inProcess(dialect: Omit<Dialect, 'protocol'>): InProcess {
  const address = (protocol: Protocol): Address => ({
    protocol,
    path: '/',
    pathOverrides: [],
    countTokensPath: null,
    authHeaders: () => ({}),
    fixedHeaders: {},
    forwardedHeaders: [],
    messagesVersionRule: null,
    dialect: () => ({ ...dialect, protocol }),
    refuses: [],
    knownCustomTools: [],
    countsCachedInInput: protocol !== 'messages',
  })
  return {
    transport: 'in-process',
    defaultBaseUrl: null,
    defaultKeyEnv: null,
    needsKey: false,
    vendor: null,
    profile: null,
    addresses: { chat: address('chat'), messages: address('messages'), responses: address('responses') },
    defaultProtocols: ['chat', 'messages', 'responses'],
    baseUrlEndings: [],
    passThrough: [],
    modelsPath: null,
    modelNames: /^/,
    errorQuirks: { requestIdHeaders: [], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
    // Whoever generates has a queue of its own and says when it is full.
    defaultConcurrency: 1024,
  }
}
