/** The part of the WebAssembly API that this package uses; without the browser's types the language has none. */

export interface WasmModule {
  /** Nothing of a module is looked at directly. */
  readonly [Symbol.toStringTag]?: string
}

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer
}

interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

interface ModuleEntry {
  readonly module: string
  readonly name: string
  readonly kind: string
}

interface Api {
  readonly Module: {
    new (bytes: Uint8Array<ArrayBuffer>): WasmModule
    exports(module: WasmModule): readonly ModuleEntry[]
    imports(module: WasmModule): readonly ModuleEntry[]
  }
  readonly Memory: new (options: {
    readonly initial: number
    readonly maximum: number
    readonly shared: true
  }) => WasmMemory
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => WasmInstance
  validate(bytes: Uint8Array): boolean
}

export const webAssembly: Api = (globalThis as unknown as { readonly WebAssembly: Api }).WebAssembly
