/** Answers as plays: a stream of frames, a JSON body, an error. */
import type { Play, Step } from '../scripted-upstream.ts'

export function stream(...steps: readonly Step[]): Play {
  return { headers: { 'content-type': 'text/event-stream' }, steps }
}

export function json(body: unknown, status = 200): Play {
  return { status, headers: { 'content-type': 'application/json' }, steps: [JSON.stringify(body)] }
}
