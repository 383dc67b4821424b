/** `usage what-if` and its options; the work is loaded when it is called. */
import type { Command } from 'commander'

type Describe = (command: Command, description: string, example: string) => Command

/** @param add gives a command its description, example and the options that every command has. */
export function whatIfCommand(usage: Command, add: Describe): void {
  add(
    usage.command('what-if'),
    'What the recorded traffic would have cost under another model, day, tokenizer and cache.',
    'portolan usage what-if --model deepseek-v4-pro --at 2026-04-27 --hit-rate observed',
  )
    .requiredOption('--model <name>', 'a model of the price book, or vendor/model')
    .option('--vendor <name>', 'whose list, where several have the model')
    .option('--at <date>', "whose day's price list; default: the day of each request")
    .option('--hit-rate <rate>', 'observed, simulated, or a share from 0 to 1', 'observed')
    .option('--tokenizer-ratio <ratio>', 'tokens the model makes of one recorded', '1')
    .option('--output-ratio <ratio>', 'answer tokens for one recorded', '1')
    .option('--write-misses', 'every prompt token that is no hit is written to the cache')
    .option('--currency <code>', 'price list; default: as configured')
    .option('--from <date>', 'default: 30 days before --to')
    .option('--to <date>', 'default: now')
    .option('--key <key>', 'only requests of this key, by id or name')
    .option('--recorded-model <name>', 'only requests that asked for, were sent to or were served by this model')
    .action(async (_options, command: Command) =>
      (await import('./usage-what-if.ts')).whatIf(command.optsWithGlobals()),
    )
}
