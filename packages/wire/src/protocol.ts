/** The three protocols that doors and upstreams speak. */
export type Protocol = 'chat' | 'messages' | 'responses'

export const protocols: readonly Protocol[] = ['chat', 'messages', 'responses']

/** The wire version of Messages (`anthropic-version`). What differs: `reference` of `messages/version.ts`. */
export type MessagesVersion = '2023-06-01' | '2026-10-21'
