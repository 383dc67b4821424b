import type { MemoryBounds, ReasoningMemory } from '@portolan/store'
export declare function memoryConformance(
  open: (bounds: MemoryBounds) => ReasoningMemory | Promise<ReasoningMemory>,
): void
