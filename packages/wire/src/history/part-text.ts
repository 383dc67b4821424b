/**
 * Parts as plain text, for protocols and upstreams that take text only in some place.
 *
 * Covers what reads as text without loss of meaning: text, plain-text documents, search results. Images, files
 * and audio are not text; callers decide whether to move or refuse them.
 */
import type { DocumentPart, Part, SearchResultPart, ToolResultItem } from '../canonical/request.ts'

/** What a failed tool's output starts with where the wire has no flag: the model must see that it failed. */
const failureMark = '[The tool reported an error]\n'

/** Text of a part; null when it has none. */
export function textOfPart(part: Part): string | null {
  if (part.type === 'text') return part.text
  if (part.type === 'search-result') return textOfSearchResult(part)
  if (part.type === 'document' && part.source.kind === 'text') return textOfDocument(part, part.source.text)
  return null
}

/** The textual parts of a tool result on lines of their own; a failure is said in words. */
export function textOfToolResult(item: ToolResultItem): string {
  const texts = item.parts.map(textOfPart).filter((text) => text !== null)
  return (item.isError ? failureMark : '') + texts.join('\n')
}

function textOfSearchResult(part: SearchResultPart): string {
  return `<search-result title=${JSON.stringify(part.title)} source=${JSON.stringify(part.source)}>\n${part.text}\n</search-result>`
}

function textOfDocument(part: DocumentPart, text: string): string {
  const title = part.title === null ? '' : ` title=${JSON.stringify(part.title)}`
  const context = part.context === null ? '' : `${part.context}\n`
  return `<document${title}>\n${context}${text}\n</document>`
}
