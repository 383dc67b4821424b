/**
 * Loads the llama.cpp binary of the installation whose entry file is named, and nothing else. A file rather than
 * `--eval`, because node-llama-cpp tests its binary in a fork that inherits this process's node options.
 */
import { pathToFileURL } from 'node:url'

interface LlamaModule {
  getLlama(options: object): Promise<{ dispose(): Promise<void> }>
}

const module: LlamaModule = await import(pathToFileURL(process.argv[2] ?? '').href)
const llama = await module.getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error' })
await llama.dispose()
