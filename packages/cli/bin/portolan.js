#!/usr/bin/env node
/**
 * Starts the `portolan` command. Plain JavaScript, the only such file, for two reasons: it can tell an old Node
 * what is wrong where a .ts file could only fail to load, and it turns the compile cache on before the first TypeScript
 * file is read, so that later starts strip and compile nothing (half the start, 10 MB less).
 */
import * as module from 'node:module'

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `portolan: this is Node ${process.versions.node} and Portolan needs 24 or newer. \`npm ci\` brings one: start by \`npm start\` or \`npm run portolan\`.`,
  )
  process.exit(2)
}
module.enableCompileCache()
// A reader that has seen enough (`| head`) is no fault.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1))
const { run } = await import(import.meta.resolve('@portolan/cli'))
process.exitCode = (await run(process.argv)) || process.exitCode || 0
