/**
 * Citations of any protocol as Responses annotations.
 *
 * Chat nests `url_citation`; Messages' web results have no offsets, so they are said to cover the whole text.
 * Citations into documents of the request have no form here.
 */
import { isObject } from './read-field.ts'

export function annotationOf(citation: unknown, text: string): Record<string, unknown> | null {
  if (!isObject(citation)) return null
  if (citation.type === 'url_citation')
    return { ...(isObject(citation.url_citation) ? citation.url_citation : citation), type: 'url_citation' }
  if (citation.type === 'web_search_result_location' && typeof citation.url === 'string')
    return {
      type: 'url_citation',
      url: citation.url,
      title: typeof citation.title === 'string' ? citation.title : '',
      start_index: 0,
      end_index: text.length,
    }
  if (citation.type === 'file_citation' || citation.type === 'container_file_citation' || citation.type === 'file_path')
    return { ...citation }
  return null
}
