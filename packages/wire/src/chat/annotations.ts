/** Citations of any protocol as Chat's `url_citation` annotations; what has no address has no form here. */
import { isObject, textOf } from './fields.ts'

/**
 * @param start  Where the cited text begins in the message's content, in characters.
 * @param end    Just behind it.
 */
export function annotationsOf(citations: readonly unknown[], start: number, end: number): unknown[] {
  return citations.flatMap((citation) => {
    if (!isObject(citation)) return []
    if (citation['type'] === 'url_citation' && isObject(citation['url_citation'])) return [citation]
    const url = textOf(citation['url']) ?? textOf(citation['source'])
    if (url === null) return []
    const from = citation['start_index']
    const to = citation['end_index']
    return [
      {
        type: 'url_citation',
        url_citation: {
          url,
          title: textOf(citation['title']) ?? '',
          start_index: typeof from === 'number' ? start + from : start,
          end_index: typeof to === 'number' ? start + to : end,
        },
      },
    ]
  })
}
