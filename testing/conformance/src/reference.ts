/** `docs/reference/conformance.md`, made from the cases themselves: a pure function of the catalogue. */
import { conformanceCases } from './catalogue.ts'
import { impossibleCases } from './impossible.ts'

export function renderConformanceReference(): string {
  const rows = [
    ...conformanceCases.map((one) => ({ ...one, played: one.doors.join(', '), behind: one.upstreams.join(', ') })),
    ...impossibleCases.map((one) => ({ ...one, played: 'cannot occur', behind: '-' })),
  ].sort((a, b) => a.id - b.id)
  const scenes = conformanceCases.reduce((sum, one) => sum + one.doors.length, 0)
  return `# Conformance: a hundred bugs of model gateways

<!-- Generated from testing/conformance; edit the cases there. -->

Each line is a bug that users of some gateway reported. ${conformanceCases.length} of them are scenes: an upstream answers byte for
byte as written down, a client asks, and both what the caller received and what the upstream received are checked
under the strict grammar of their protocol. Together they are ${scenes} scenes, one for each door concerned.
${impossibleCases.length === 1 ? 'One bug' : `${impossibleCases.length} bugs`} cannot occur here; the reason stands below the table.

\`\`\`
npm run conformance                                  # our own gateway, started and stopped by the suite
npm run conformance -- --door messages --case 31     # a part of it
npm run conformance -- --url http://127.0.0.1:8080 --key KEY --upstream-port 4199
\`\`\`

The exit code is 0 only when nothing failed. A scene about something that cannot be seen from outside (the ledger)
counts as neither.

## Running it against another gateway

The suite plays the upstream: it listens on \`--upstream-port\` (4199) on 127.0.0.1 and speaks Chat at
\`/v1/chat/completions\`, Messages at \`/v1/messages\` (also under \`/anthropic\`) and Responses at \`/v1/responses\`. The model name says
which scene is meant, so a gateway needs routes by name only, and no knowledge of the scenes. It may put anything
before or behind the name on its way upstream.

| model names | upstream to configure |
| --- | --- |
| \`case-NNN\` | OpenAI-compatible, Chat Completions: the catch-all, enough for half of the scenes |
| \`case-NNN-vllm\`, \`case-NNN-deepseek\` | the same address; or the gateway's own kind for these suppliers |
| \`case-NNN-messages\`, \`case-NNN-deepseek-messages\`, \`case-NNN-anthropic\` | Anthropic-compatible, Messages |
| \`case-NNN-responses\`, \`case-NNN-openai\` | OpenAI, Responses |

\`--model-prefix\` puts text before each name in requests, for gateways that route by \`provider/model\`; \`--header 'NAME: VALUE'\`
adds a header to each of them, for gateways that route by headers. \`--silence-ms\` says how long the upstream keeps silent where a keep-alive is expected (default 16,000). Streams of the same protocol
are held to the grammar of the upstream only, because a gateway may forward them as they are.

## The list

| id | a correct gateway | doors | behind | reported as |
| ---: | --- | --- | --- | --- |
${rows.map((row) => `| ${row.id} | ${row.title} | ${row.played} | ${row.behind} | ${row.sources.join(', ')} |`).join('\n')}

## Cannot occur

${impossibleCases.map((one) => `${one.id}. *${one.title}* (${one.sources.join(', ')}): ${one.reason}`).join('\n')}
`
}
