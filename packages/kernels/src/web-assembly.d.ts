/** The part of the WebAssembly API that this package uses; the language's own types leave it to the browser's. */
declare namespace WebAssembly {
  interface ModuleEntry {
    readonly module: string
    readonly name: string
    readonly kind: string
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
    static exports(module: Module): ModuleEntry[]
    static imports(module: Module): ModuleEntry[]
  }
  class Memory {
    constructor(options: { readonly initial: number; readonly maximum: number; readonly shared: true })
    readonly buffer: SharedArrayBuffer
  }
  class Instance {
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } })
    readonly exports: Readonly<Record<string, unknown>>
  }
  function validate(bytes: Uint8Array): boolean
}
