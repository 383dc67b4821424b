/** The parts of an answer that are scored: what a user sees, and what a client would run. */
import type { CanonicalResponse, ToolCallItem } from '@portolan/wire'

export function visibleText(response: CanonicalResponse): string {
  return response.items
    .flatMap((item) => (item.kind === 'assistant-text' ? item.parts.map((part) => part.text) : []))
    .join('')
}

export function callsOf(response: CanonicalResponse): ToolCallItem[] {
  return response.items.filter((item) => item.kind === 'tool-call')
}
