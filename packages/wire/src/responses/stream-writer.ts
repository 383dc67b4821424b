/** Canonical events as a Responses stream: `event:` and `data:` lines, a comment as keep-alive, no `[DONE]`. */
import type { AnswerContext, StreamWriter } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { writeComment, writeSse } from '../sse/writer.ts'
import { Answer } from './answer.ts'

const keepAlive = writeComment('keep-alive')

export function createStreamWriter(context: AnswerContext): StreamWriter {
  let text = ''
  const answer = new Answer(context, (event) => {
    text += writeSse(event.type, JSON.stringify(event))
  })
  return {
    write(event: CanonicalEvent): string {
      if (event.type === 'ping') return answer.final === null ? keepAlive : ''
      answer.push(event)
      const written = text
      text = ''
      return written
    },
    keepAlive: () => keepAlive,
  }
}
