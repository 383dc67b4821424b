/** Catalogued bugs that no scene can provoke here, each with the reason. */
import type { ImpossibleCase } from './case.ts'

export const impossibleCases: readonly ImpossibleCase[] = [
  {
    id: 56,
    title: 'raw DSML tags leak as text',
    sources: ['deepseek-ai/awesome-deepseek-agent#13'],
    reason:
      'Doors and upstreams exchange structured tool calls; no part of a gateway renders or parses the markup of a model, and text of an upstream is delivered as it came. What reads DSML is the completion machine of the model package, whose own tests hold this bug.',
  },
]
