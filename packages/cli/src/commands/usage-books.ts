/** The subcommands of `portolan usage` that keep the books; the work of each is loaded when it is called. */
import type { Command } from 'commander'

type Describe = (command: Command, description: string, example: string) => Command

/** `--from` to `--upstream`: what every question about usage may be narrowed to. */
export function withRange(command: Command): Command {
  return command
    .option('--from <date>', 'first instant, UTC; default: 30 days before --to')
    .option('--to <date>', 'the end, not included; default: now')
    .option('--key <key>', 'only this key, by id or name; "-" in this and the next: those without one')
    .option('--team <team>', 'only this team')
    .option('--tag <tag>', 'only requests sent with `x-portolan-tag: <tag>`')
    .option('--model <name>', 'only this model, as served')
    .option('--upstream <name>', 'only this upstream')
}

/** `--in` and the day of its rate. */
export function withDisplay(command: Command, day: string): Command {
  return command
    .option('--in <currency>', 'show amounts in this currency too, at the dated rates of `displayRates`')
    .option('--rate-date <day>', `whose rate; default: ${day}`)
}

/** @param add gives a command its description, example and the options that every command has. */
export function usageBookCommands(usage: Command, add: Describe): void {
  usage.enablePositionalOptions()
  withRange(
    add(
      usage.command('export'),
      'Charges by day as FOCUS 1.2, or requests one by one as CSV or JSON lines.',
      'portolan usage export --format focus --from 2026-10-01 --to 2026-11-01 --out october.csv',
    ),
  )
    .option('--format <name>', 'focus, csv or jsonl', 'focus')
    .option('--out <file>', 'default: standard output')
    .option('--account <name>', 'BillingAccountId of FOCUS', 'portolan')
    .action(async (options) => (await import('./usage-export.ts')).exportUsage(options))
  withDisplay(
    add(
      usage.command('statement'),
      'What a team used in a month, line by line, adding up to the nano.',
      'portolan usage statement --team red --month 2026-10 --format csv',
    ),
    'the last day of the month',
  )
    .requiredOption('--month <month>', 'such as 2026-10, UTC')
    .option('--team <team>', 'default: all teams; "-": keys without a team')
    .option('--format <name>', 'text or csv', 'text')
    .action(async (options) => (await import('./usage-statement.ts')).printStatement(options))
  add(
    usage.command('reconcile').argument('<bill>', 'CSV or JSON that the vendor exported'),
    "Compare with a vendor's bill by day, model and key; --apply corrects estimated requests.",
    'portolan usage reconcile amount-2026-10.csv --shape deepseek --upstream deepseek',
  )
    .option(
      '--shape <name>',
      'deepseek, deepseek-cost, openai, anthropic, anthropic-cost, csv, or a mapping file',
      'deepseek',
    )
    .option('--map <pairs>', 'your column names, e.g. day=Date,model=Model,input=Tokens in,amount=Cost,currency=EUR')
    .option('--upstream <name>', 'whose bill it is, where its lines do not say')
    .option('--key <pairs>', "comma-separated: a key of the vendor's = our upstream, e.g. prod=deepseek")
    .option('--apply', 'write corrections for estimated requests')
    .option('--actor <name>', 'who answers for the corrections; needed with --apply')
    .action(async (bill: string, options) => (await import('./usage-reconcile.ts')).reconcile(bill, options))
  add(
    usage.command('archive'),
    'Move old rows into checked, compressed files. Sums stay.',
    'portolan usage archive --older-than 90d --to /backup/portolan',
  )
    .option('--older-than <days>', 'rows written longer ago go, e.g. 90d; default: `usage.retentionDays`')
    .option('--to <directory>', 'default: `usage.archive`, else archive in the data directory')
    .option('--list', 'what was archived so far, and what the gateway does by itself')
    .action(async (options) => (await import('./usage-archive.ts')).archiveUsage(options))
  add(
    usage.command('verify'),
    'Walk the hash chain: is every row as it was written, are sums the sums of rows?',
    'portolan usage verify --expect 5c0f…',
  )
    .option('--expect <hash>', 'a head hash that an earlier run printed')
    .option('--no-archives', 'do not read archived files')
    .action(async (options) => (await import('./usage-verify.ts')).verifyUsage(options))
}
