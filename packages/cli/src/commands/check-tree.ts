/** The subcommands of `portolan check`, `replay` and `report`; the work is loaded when it is called. */
import { InvalidArgumentError, Option, type Command } from 'commander'

type Describe = (command: Command, description: string, example: string) => Command

/** @param add gives a command its description, example and the options that every command has. */
export function checkCommands(program: Command, add: Describe): void {
  const check = program
    .command('check')
    .description('Ask an endpoint generated cases: tool calls, structured output, long context. Costs what it asks.')

  target(
    add(
      check.command('tools'),
      'Thirty cases of tool calling.',
      'portolan check tools --target deepseek-v4-pro --quick',
    ),
  ).action(async (options) => (await import('./check.ts')).checkTools(options))
  target(
    add(
      check.command('json'),
      'Schemas by class, as JSON mode, strict schema and forced tool.',
      'portolan check json --target deepseek-v4-pro --vs gpt-5.5',
    ),
  ).action(async (options) => (await import('./check.ts')).checkJson(options))
  target(
    add(
      check.command('longctx'),
      'Facts in long prompts: accuracy by length and depth, and the effective length.',
      'portolan check longctx --target deepseek-v4-flash --lengths 4k,32k,128k --depths 5 --repeats 2',
    ),
  )
    .option('--lengths <tokens>', 'comma-separated, with k or M')
    .option('--tasks <names>', 'comma-separated; see the guide for the list')
    .addOption(new Option('--depths <count>', 'places in the prompt').argParser(positive))
    .addOption(new Option('--repeats <count>', 'prompts for each length, depth and task').argParser(positive))
    .option('--tokenizer <file>', "the target's tokenizer.json: exact lengths, and facts at edges of blocks and window")
    .option('--haystack <path>', 'a text file or a folder of them to hide facts in, instead of made-up text')
    .option('--plan <file>', 'whose `egress` decisions allow your documents to go to the upstreams')
    .action(async (options) => (await import('./check.ts')).checkLongContext(options))
  add(
    check.command('compare').argument('<before>', 'file of --out').argument('<after>', 'file of --out'),
    'Two reports of one battery, case by case: what was lost, what was won, with an interval.',
    'portolan check compare july.json august.json',
  ).action(async (before: string, after: string, options) =>
    (await import('./check-compare.ts')).compareCheckFiles(before, after, options),
  )
}

export function replayCommands(program: Command, add: Describe): void {
  const replay = program.command('replay').description('Ask the recorded tasks of a plan of every arm.')
  add(
    replay.command('run').argument('[file]', 'plan file', 'plan.yaml'),
    'Recorded exchanges asked again, whole sessions driven, or both, as the plan says. A stopped run goes on where it stood.',
    'portolan replay run plan.yaml --budget 25USD',
  )
    .addOption(
      new Option('--pilot <cases>', 'a draft: only so many cases, and the result for `plan pilot`').argParser(positive),
    )
    .option('--budget <amount>', "stop there, instead of at the plan's cap")
    .addOption(new Option('--timeout <seconds>', 'for one answer').argParser(positive).default(600))
    .action(async (file: string, options) => (await import('./replay.ts')).runReplay(file, options))
}

export function reportCommands(program: Command, add: Describe): void {
  const report = program
    .command('report')
    .description('What the attempts of a plan show, on one page that people sign.')
  add(
    report.command('make').argument('[file]', 'plan file', 'plan.yaml'),
    'Write the report beside the plan: HTML, Markdown, JSON and JUnit.',
    'portolan report make plan.yaml --budget 120000USD --longctx longctx.json --focus charges.csv',
  )
    .option('--budget <amount>', 'how long it lasts on each arm; or the name of a configured budget')
    .option('--monthly <amount>', 'what a month costs today, where the ledger holds too little to forecast')
    .option('--longctx <file>', 'what `check longctx --out` wrote; kept beside the plan for the next time')
    .option('--focus <file>', 'what the replay cost, as FOCUS 1.2 records in CSV')
    .action(async (file: string, options) => (await import('./report.ts')).makeReport(file, options))
  add(
    report.command('label').argument('[file]', 'plan file', 'plan.yaml'),
    'Write a sheet on which people say, blind, which of two judged answers is better.',
    'portolan report label plan.yaml --cases 80',
  )
    .addOption(new Option('--cases <count>', 'pairs of answers').argParser(positive).default(60))
    .option('--out <file>', 'the sheet (default: plan.labels.yaml)')
    .option('--force', 'write over an existing sheet')
    .action(async (file: string, options) => (await import('./calibrate.ts')).labelAnswers(file, options))
  add(
    report.command('calibrate').argument('[file]', 'plan file', 'plan.yaml'),
    'Hold the judge against the labels of people; without them it is shown and decides nothing.',
    'portolan report calibrate plan.yaml --labels plan.labels.yaml',
  )
    .requiredOption('--labels <file>', 'the filled sheet')
    .action(async (file: string, options) => (await import('./calibrate.ts')).calibrateJudge(file, options))
  add(
    report.command('sign').argument('[file]', 'plan file', 'plan.yaml'),
    'Sign the report as it stands; a changed one has to be signed again.',
    "portolan report sign plan.yaml --role engineering --person 'A. Name' --decision approved",
  )
    .requiredOption('--role <role>', 'in which you sign: engineering, finance, security, compliance ...')
    .requiredOption('--person <name>', 'your name')
    .addOption(
      new Option('--decision <decision>', 'what you decide').choices(['approved', 'rejected']).makeOptionMandatory(),
    )
    .option('--note <text>', 'a sentence for the record')
    .action(async (file: string, options) => (await import('./report.ts')).signTheReport(file, options))
  add(
    report.command('verify').argument('[file]', 'plan file', 'plan.yaml'),
    'Do the sign-offs hold for this report and this plan?',
    'portolan report verify plan.yaml',
  ).action(async (file: string, options) => (await import('./report.ts')).verifyTheReport(file, options))
}

function target(command: Command): Command {
  return command
    .requiredOption('--target <model>', 'the model name to ask for')
    .option('--vs <model>', 'a second model at the same address, compared case by case')
    .option('--vs-report <file>', 'a report of an earlier day (--out), compared case by case')
    .option('--url <address>', 'of the server (default: where the configuration listens)')
    .addOption(
      new Option('--door <protocol>', 'protocol to speak').choices(['chat', 'messages', 'responses']).default('chat'),
    )
    .option('--key-env <name>', 'environment variable that holds the API key', 'PORTOLAN_API_KEY')
    .option('--quick', 'fewer cases')
    .addOption(new Option('--seed <number>', 'of generated cases').argParser(whole).default(1))
    .addOption(new Option('--concurrency <count>', 'requests at a time').argParser(positive).default(4))
    .addOption(new Option('--timeout <seconds>', 'for one answer').argParser(positive).default(300))
    .option('--out <file>', 'write the whole report as JSON')
}

function whole(value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 0) throw new InvalidArgumentError('A whole number is needed.')
  return number
}

function positive(value: string): number {
  const number = whole(value)
  if (number === 0) throw new InvalidArgumentError('A number from 1 is needed.')
  return number
}
