/**
 * Why a Responses answer ended, in canonical words.
 *
 * A call to a client tool means the client must act, whatever else is said (bifrost#3638); only a cut answer
 * stays a cut answer, because its last call may be half a call.
 */
import type { StopReason } from '../canonical/response.ts'
import { isObject, type WireObject } from './read-field.ts'

export function stopOf(response: WireObject, sawCall: boolean, sawRefusal: boolean): StopReason {
  const details = isObject(response.incomplete_details) ? response.incomplete_details : {}
  if (response.status === 'incomplete' || details.reason !== undefined)
    return details.reason === 'content_filter' ? 'refusal' : 'length'
  if (sawCall) return 'tool-call'
  return sawRefusal ? 'refusal' : 'end'
}
