#!/usr/bin/env node
/** The `portolan` command. Every failure says what happened, why, and what to do; `--json` says it to scripts. */
import { enableCompileCache } from 'node:module'
// Type stripping and parsing are most of a cold start; the cache makes the second start fast.
enableCompileCache()
const { run } = await import('./main.ts')
process.exitCode = (await run(process.argv)) || process.exitCode || 0
