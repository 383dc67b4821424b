/**
 * A process that erases somebody and is killed: `node killed-erasure.test-support.ts FOLDER before|after`. `before`: when it
 * has everything open and nothing done; `after`: as soon as the erasure has returned, nothing closed.
 */
import { RecordingLibrary, Vault } from '../recording/index.ts'

const [directory, moment] = process.argv.slice(2)
const library = new RecordingLibrary({ directory: directory!, vault: new Vault(Buffer.alloc(32, 9)) })
if (moment === 'before') process.kill(process.pid, 'SIGKILL')
library.erase({ keyId: 'key_a', endUser: 'ada_lovelace' }, Date.UTC(2026, 10, 2))
process.kill(process.pid, 'SIGKILL')
