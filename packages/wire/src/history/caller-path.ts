/** The name of a field as the caller wrote it, for errors: `/messages/2/content` becomes `messages[2].content`. */
import type { SourceSpan } from '../canonical/request.ts'

export function callerPath(item: { readonly source?: SourceSpan }): string | null {
  return item.source === undefined ? null : pathOfPointer(item.source.pointer)
}

/** RFC 6901 pointer to dotted path with bracketed indexes. */
export function pathOfPointer(pointer: string): string {
  let path = ''
  for (const raw of pointer.split('/').slice(1)) {
    const step = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    path += /^\d+$/.test(step) ? `[${step}]` : path === '' ? step : `.${step}`
  }
  return path
}
