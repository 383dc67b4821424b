/** JSON lines on standard error. Nothing that opens a door is written, wherever in a line it stands. */
import { pino, type DestinationStream, type Logger } from 'pino'

const secretNames = ['authorization', 'apiKey', 'x-api-key', 'cookie', 'secret', 'password', 'token']
const secretPaths = secretNames.flatMap((name) => {
  const member = /^\w+$/.test(name) ? `.${name}` : `["${name}"]`
  return [member.replace(/^\./, ''), `*${member}`, `*.*${member}`]
})

export function makeLogger(level: string | undefined, destination: DestinationStream = pino.destination(2)): Logger {
  return pino({ level: level ?? 'warn', redact: secretPaths }, destination)
}
