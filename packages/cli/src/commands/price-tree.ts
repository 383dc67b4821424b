/** The subcommands of `portolan price` and their options; the work of each is loaded when it is called. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { withDisplay } from './usage-books.ts'

type Describe = (command: Command, description: string, example: string) => Command

/** @param add gives a command its description, example and the options that every command has. */
export function priceCommands(program: Command, add: Describe): void {
  const price = program
    .command('price')
    .description('The dated price book: look, compare, check, import. Overrides of your own win over it.')
  const currency = (command: Command): Command => command.option('--currency <code>', 'price list', 'USD')

  withDisplay(
    dated(
      currency(
        add(
          price.command('show').argument('<vendor>').argument('<model>'),
          'What a model costs now: tiers, peak hours, factors, and what is known to come.',
          'portolan price show deepseek deepseek-flash',
        ),
      ),
    ),
    'the day of the price',
  ).action(async (vendor: string, model: string, options) =>
    (await import('./price.ts')).showPrice(vendor, model, options),
  )
  dated(
    currency(
      add(
        price.command('at').argument('<vendor>').argument('<model>'),
        'The price in force at an instant; with --known-at, as it was known on an earlier day.',
        'portolan price at deepseek deepseek-v4-pro --date 2026-06-05 --known-at 2026-05-01',
      ),
    ),
  )
    .addOption(
      new Option('--prompt-tokens <count>', 'size of the prompt, where prices depend on it').argParser(wholeNumber),
    )
    .option('--modifiers <names>', 'comma-separated: batch, flex, fast, priority, ...')
    .action(async (vendor: string, model: string, options) =>
      (await import('./price.ts')).priceAtInstant(vendor, model, options),
    )
  add(
    price.command('history').argument('<vendor>').argument('<model>'),
    'Every dated price of a model.',
    'portolan price history deepseek deepseek-v4-flash',
  )
    .option('--currency <code>', 'only this price list')
    .action(async (vendor: string, model: string, options) =>
      (await import('./price.ts')).priceHistory(vendor, model, options),
    )
  add(
    price
      .command('diff')
      .argument('<before>', 'a date, or a price file')
      .argument('<after>', 'a date, or a price file'),
    'What changed between two dates or two price files.',
    'portolan price diff 2026-04-25 2026-04-27 --vendor deepseek',
  )
    .option('--vendor <name>', 'only this vendor')
    .option('--model <name>', 'only this model')
    .option('--currency <code>', 'only this price list')
    .action(async (before: string, after: string, options) =>
      (await import('./price-diff.ts')).priceDiff(before, after, options),
    )
  add(
    price.command('lint').argument('<files...>', 'price files'),
    'Check price files: errors, gaps, jumps, units, each with line and column.',
    'portolan price lint prices/ours.json',
  )
    .option('--strict', 'fail on warnings too')
    .action(async (files: string[], options) => (await import('./price-lint.ts')).lintPrices(files, options))
  add(
    price
      .command('import')
      .argument('<source>', 'litellm, models.dev or llm-prices', oneOf(['litellm', 'models.dev', 'llm-prices']))
      .argument('<from...>', 'files or addresses'),
    'Make a price file of a public catalogue, and say what was lost.',
    'portolan price import litellm model_prices_and_context_window.json --out prices/litellm.json',
  )
    .requiredOption('--out <file>', 'the price file to write')
    .option('--vendor <name>', 'only prices of this vendor')
    .option('--lost', 'show everything that was skipped or not carried')
    .option('--force', 'replace an existing file and its history')
    .action(async (source, from: string[], options) =>
      (await import('./price-import.ts')).importPrices(source, from, options),
    )
  add(
    price.command('update').argument('<file>', 'a price file that `price import` wrote'),
    'Read its catalogue again, show what changed, and append it after asking.',
    'portolan price update prices/litellm.json --yes',
  )
    .option('--from <files...>', 'read from here instead of where it came from')
    .option('--yes', 'write without asking')
    .action(async (file: string, options) => (await import('./price-import.ts')).updatePrices(file, options))
  compareCommand(price, add)
  selfHostedCommand(price, add)
}

function compareCommand(price: Command, add: Describe): void {
  withDisplay(
    add(
      price.command('compare').argument('[first]', 'vendor/model').argument('[second]', 'vendor/model'),
      'Two prices for one mix of traffic, with every assumption shown.',
      'portolan price compare anthropic/claude-opus-4-7 deepseek/deepseek-v4-pro --date 2026-04-27 --months 4',
    ),
    '--date',
  )
    .option(
      '--launch-month',
      'the claims of April 2026 (34.5x, 138x, "4 months against 7 years") and what they were true of',
    )
    .option('--date <instant>', 'ISO 8601; default: now')
    .option('--second-date <instant>', "another date for the second side's price")
    .option('--currency <code>', 'price list', 'USD')
    .option('--second-currency <code>', "price list of the second side; another than the first's needs a dated rate")
    .option('--hit-rate <share>', 'cache hits of the prompt on both sides, 0 to 1', '0.9')
    .option('--output-per-prompt <ratio>', 'answer tokens for one prompt token', '0.025')
    .addOption(
      new Option('--prompt-tokens <count>', 'size of one prompt, where prices depend on it')
        .argParser(wholeNumber)
        .default(1000),
    )
    .option('--first-writes-misses', 'every miss of the first side is written to its cache')
    .option('--second-writes-misses', 'every miss of the second side is written to its cache')
    .option('--first-tokens <ratio>', 'tokens the first side makes of one of the mix')
    .option('--second-tokens <ratio>', 'tokens the second side makes of one of the mix')
    .option('--second-output <ratio>', 'answer tokens of the second side for one of the first')
    .option('--months <count>', 'how long a budget lasts on the first side')
    .action(async (first: string | undefined, second: string | undefined, options, command: Command) => {
      const { comparePriceOf, launchMonth } = await import('./price-compare.ts')
      if (options.launchMonth) launchMonth(options)
      else if (first !== undefined && second !== undefined) comparePriceOf(first, second, options)
      else command.error('error: name two models as vendor/model, or give --launch-month')
    })
}

function selfHostedCommand(price: Command, add: Describe): void {
  add(
    price.command('self-hosted').argument('<model>', 'the name that the upstream serves'),
    'Rates of a model on own hardware, from its cost an hour and its throughput.',
    'portolan price self-hosted deepseek-v4-flash --hardware-per-hour 24 --input-per-second 30000 --output-per-second 4000 --write prices/own.json',
  )
    .requiredOption('--hardware-per-hour <amount>', 'what the machines cost an hour, all together')
    .option('--currency <code>', 'of that amount', 'USD')
    .option('--input-per-second <tokens>', 'measured prompt tokens a second; without: what the ledger says was served')
    .option('--output-per-second <tokens>', 'measured answer tokens a second, all requests together')
    .option('--utilization <share>', 'share of the paid hours in use', '0.5')
    .option('--hit-weight <share>', 'what a cached prompt token costs of an uncached one', '0.1')
    .option('--output-weight <ratio>', 'by traffic: what an answer token costs of a prompt token', '5')
    .option('--upstream <name>', 'by traffic: all that this upstream served, instead of this model')
    .option('--from <instant>', 'by traffic: since when; default: a week before --to')
    .option('--to <instant>', 'by traffic: until when; default: this hour')
    .option('--valid-from <instant>', 'when the price begins; default: today')
    .option('--write <file>', 'add it to this price file')
    .action(async (model: string, options) => (await import('./price-self-hosted.ts')).selfHostedPrice(model, options))
}

function dated(command: Command): Command {
  return command
    .option('--date <instant>', 'ISO 8601, with a zone if it has a time; default: now')
    .option('--known-at <instant>', 'only what had been announced by then')
}

function oneOf(names: readonly string[]): (text: string) => string {
  return (text) => {
    if (!names.includes(text)) throw new InvalidArgumentError(`It is one of ${names.join(', ')}.`)
    return text
  }
}

function wholeNumber(text: string): number {
  const count = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(count) || count < 0)
    throw new InvalidArgumentError('It is a whole number from 0.')
  return count
}
