/** Data: how catalogues spell the vendors of the bundled price book. Names that are not here are kept. */
export const catalogueVendors: ReadonlyMap<string, string> = new Map([
  ['gemini', 'google'],
  ['dashscope', 'alibaba'],
  ['qwen', 'alibaba'],
  ['moonshotai', 'moonshot'],
  ['moonshot-ai', 'moonshot'],
  ['zai', 'zhipu'],
  ['z.ai', 'zhipu'],
  ['zhipuai', 'zhipu'],
])
