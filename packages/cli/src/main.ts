/** The command tree. Each command's work is in its own file and loaded when it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { GatewayError } from '@portolan/gateway'
import type { ModelError } from '@portolan/model'
import { CrossingError, crossingErrors } from '@portolan/crossing'
import { StoreError } from '@portolan/store'
import { UpstreamError } from '@portolan/upstream'
import { checkCommands, replayCommands, reportCommands } from './commands/check-tree.ts'
import { priceCommands } from './commands/price-tree.ts'
import { usageBookCommands, withDisplay, withRange } from './commands/usage-books.ts'
import { whatIfCommand } from './commands/usage-tree.ts'
import { CliError, exitCodes } from './errors.ts'
import { json } from './output.ts'

/** Runs one command line; resolves with the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = commands()
  try {
    await program.parseAsync([...argv])
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return complain(error, argv.includes('--json'))
  }
}

/** Known errors are one sentence; only a fault of ours shows where it happened, because that is what to report. */
function complain(error: unknown, asJson: boolean): number {
  const known =
    error instanceof CliError ||
    error instanceof CrossingError ||
    error instanceof GatewayError ||
    isModelError(error) ||
    error instanceof StoreError ||
    error instanceof UpstreamError
  const code = known ? error.code : 'CLI_FAULT'
  const message = error instanceof Error ? error.message : String(error)
  if (asJson) console.error(json({ error: { code, message } }))
  else
    console.error(
      known
        ? `portolan: ${message} [${code}]`
        : `portolan: a fault of ours; please report it with this text:\n${error instanceof Error ? error.stack : message}`,
    )
  return isForCaller(error) ? exitCodes.usage : exitCodes.failed
}

/** What the caller cannot change by asking otherwise. */
const ours: ReadonlySet<string> = new Set(['CLI_DATA_DIRECTORY', 'CLI_NO_ROOM', 'CLI_FAULTY_SUMS'])

/** Whether the caller must change what was asked, as against something that failed or is damaged. */
function isForCaller(error: unknown): boolean {
  if (error instanceof CrossingError) return crossingErrors[error.code].kind !== 'internal'
  if (isModelError(error)) return error.kind === 'invalid-request' || error.kind === 'context-length'
  return error instanceof CliError && !ours.has(error.code)
}

/** By name: the model package is large, and only the commands that need it load it. */
function isModelError(error: unknown): error is ModelError {
  return error instanceof Error && error.name === 'ModelError' && 'code' in error && 'kind' in error
}

function commands(): Command {
  const program = new Command('portolan')
    .description('Serves DeepSeek-V4, meters every token, and carries model traffic from one supplier to another.')
    .version('0.1.0')
    .exitOverride()
    // Options after a subcommand's name are the subcommand's, although its parent may have some of the same.
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for an example)')
    .showSuggestionAfterError()

  add(program.command('up'), 'Start the gateway.', 'portolan up --port 4114')
    .option('--host <host>', 'address to listen on (default: from the configuration, else 127.0.0.1)')
    .addOption(new Option('--port <port>', 'port to listen on; 0 picks a free one').argParser(portNumber))
    .action(async (options) => (await import('./commands/up.ts')).up(options))

  add(
    program.command('init'),
    'Write a portolan.yaml for the suppliers whose keys are in the environment.',
    'portolan init',
  )
    .option('--force', 'replace an existing file')
    .action(async (options) => (await import('./commands/init.ts')).init(options))

  const keys = program.command('keys').description('Make, list and revoke API keys.')
  add(
    keys.command('create').argument('<name>', 'for people; need not be unique'),
    'Make a key. Its secret is shown once.',
    "portolan keys create ci --team red --models 'deepseek-*' --days 30",
  )
    .option('--team <team>', 'a team of the configuration; its limits hold the key')
    .option('--models <globs>', 'comma-separated model names the key may use; default: all')
    .addOption(new Option('--days <days>', 'days until the key expires').argParser(wholeDays))
    .action(async (name: string, options) => (await import('./commands/keys.ts')).createKey(name, options))
  add(keys.command('list'), 'Show all keys, without their secrets.', 'portolan keys list --json').action(
    async (options) => (await import('./commands/keys.ts')).listKeys(options),
  )
  add(
    keys
      .command('move')
      .argument('<id>', 'id of the key, from `keys list`')
      .argument('[team]', 'default: out of its team'),
    'Put a key into a team, or take it out.',
    'portolan keys move key_3fa9 red',
  ).action(async (id: string, team: string | undefined, options) =>
    (await import('./commands/keys.ts')).moveKey(id, team ?? null, options),
  )
  add(
    keys.command('revoke').argument('<id>', 'id of the key, from `keys list`'),
    'Make a key useless at once.',
    'portolan keys revoke key_3fa9',
  ).action(async (id: string, options) => (await import('./commands/keys.ts')).revokeKey(id, options))

  const token = program
    .command('admin')
    .description('The admin API.')
    .command('token')
    .description("Its token, which no user's key can stand in for.")
  add(token.command('rotate'), 'Make a new token; the one before is refused.', 'portolan admin token rotate').action(
    async (options) => (await import('./commands/admin.ts')).rotateToken(options),
  )

  const usage = withDisplay(
    withRange(
      add(
        program.command('usage'),
        'What was used and what it cost.',
        'portolan usage --by day,team --model deepseek-v4-pro --from 2026-11-01',
      ),
    ),
    'the last day of the range',
  )
    .addOption(new Option('--since <date>', 'the older name of --from').hideHelp())
    .addOption(new Option('--until <date>', 'the older name of --to').hideHelp())
    .option('--by <groups>', 'comma-separated: model, key, team, tag, upstream, status, month, day, hour', 'model')
    .option('--last <rows>', 'show the newest rows instead', (text) => Number.parseInt(text, 10))
    .action(async (options) => (await import('./commands/usage.ts')).usage(options))
  whatIfCommand(usage, add)
  usageBookCommands(usage, add)

  add(program.command('budget'), 'What is left of each budget.', 'portolan budget --json').action(async (options) =>
    (await import('./commands/budget.ts')).budgets(options),
  )

  add(program.command('forecast'), 'The day on which each budget ends, with an interval.', 'portolan forecast').action(
    async (options) => (await import('./commands/budget.ts')).forecast(options),
  )

  add(program.command('models'), 'Model names that this configuration routes.', 'portolan models').action(
    async (options) => (await import('./commands/models.ts')).models(options),
  )

  add(
    program.command('upstreams'),
    'Configured upstreams and what they declare; --check asks each whether it answers.',
    'portolan upstreams --check',
  )
    .option('--check', 'ask each upstream for its models')
    .action(async (options) => (await import('./commands/upstreams.ts')).upstreams(options))

  priceCommands(program, add)
  checkCommands(program, add)

  modelCommands(program)
  recordCommands(program)
  planCommands(program)
  replayCommands(program, add)
  reportCommands(program, add)

  add(
    program.command('doctor'),
    'Check runtime, configuration, data directory and upstreams.',
    'portolan doctor',
  ).action(async (options) => (await import('./commands/doctor.ts')).doctor(options))
  return program
}

function modelCommands(program: Command): void {
  const model = program.command('model').description('Look into a DeepSeek-V4 checkpoint, and run it in TypeScript.')
  describe(
    model.command('inspect').argument('<dir>', 'folder with config.json and safetensors files'),
    'What a checkpoint holds, and what this machine could do with it.',
    'portolan model inspect ./models/v4-tiny',
  )
    .option('--verify', 'read every value too, and refuse NaN, infinities and impossible scales')
    .action(async (dir: string, options) => (await import('./commands/model-inspect.ts')).inspectModel(dir, options))
  describe(
    model.command('run').argument('<dir>', 'folder of the checkpoint, with its tokenizer and prompt texts'),
    'Answer one prompt with the reference forward pass, streamed.',
    'portolan model run ./models/v4-tiny -p "Where is the harbour?" --thinking high --seed 7',
  )
    .requiredOption('-p, --prompt <text>', 'the question')
    .option('--system <text>', 'instructions before it')
    .addOption(new Option('--max-tokens <count>', 'longest answer').argParser(countOf('--max-tokens', 1)).default(256))
    .addOption(new Option('--temperature <number>', '0: always the best token').argParser(decimal).default(1))
    .addOption(
      new Option('--top-p <number>', 'only the best tokens up to this probability').argParser(decimal).default(1),
    )
    .addOption(
      new Option('--seed <number>', 'same seed, same answer; default: a random one').argParser(countOf('--seed', 0)),
    )
    .addOption(new Option('--thinking <effort>', 'reason first').choices(['off', 'low', 'high', 'max']).default('off'))
    .action(async (dir: string, options) => (await import('./commands/model-run.ts')).runModel(dir, options))
  describe(
    model.command('efficiency'),
    'Cache bytes and operations at a length, measured, beside V3.2 and 8-head attention.',
    'portolan model efficiency --shape flash --context 1M',
  )
    .addOption(new Option('--shape <name>', 'published shape').choices(['flash', 'pro']).default('flash'))
    .addOption(
      new Option('--context <tokens>', 'length, such as 4096, 128K or 1M (K and M are powers of 1024)')
        .argParser(tokenCount)
        .default(2 ** 20, '1M'),
    )
    .action(async (options) => (await import('./commands/model-efficiency.ts')).showEfficiency(options))
  describe(
    model.command('bench').argument('<dir>', 'folder with config.json and safetensors files'),
    'Measure prefill, decode, cache hits and memory by length of context, on this machine.',
    'portolan model bench ./models/v4-tiny --context 1K 8K --forward fast',
  )
    .addOption(
      new Option('--context <tokens...>', 'lengths, such as 4096 or 64K; default: some that the model holds').argParser(
        (text: string, before: readonly number[] | undefined) => [...(before ?? []), tokenCount(text)],
      ),
    )
    .addOption(new Option('--tokens <count>', 'tokens decoded at each').argParser(countOf('--tokens', 1)).default(8))
    .addOption(
      new Option('--compute <tokens>', 'longest length that is also computed from its first token')
        .argParser(tokenCount)
        .default(8192, '8K'),
    )
    .addOption(
      new Option('--forward <what>', 'what computes').choices(['auto', 'exact', 'fast', 'reference']).default('auto'),
    )
    .action(async (dir: string, options) => (await import('./commands/model-bench.ts')).benchModel(dir, options))
  describe(
    model.command('make').argument('<dir>', 'new folder'),
    'Write a small untrained model in the official layout, for trying things out.',
    'portolan model make ./models/v4-tiny --seed 7',
  )
    .addOption(new Option('--seed <number>', 'same seed, same bytes').argParser(countOf('--seed', 0)).default(0))
    .addOption(new Option('--shape <name>', 'how large').choices(['tiny', 'small']).default('tiny'))
    .option('--force', 'replace a model that was made here before')
    .action(async (dir: string, options) => (await import('./commands/model-make.ts')).makeModel(dir, options))

  const cache = model.command('cache').description('What embedded upstreams keep of earlier prompts on disk.')
  add(cache.command('ls'), 'How much is kept, by upstream.', 'portolan model cache ls').action(async (options) =>
    (await import('./commands/model-cache.ts')).listCaches(options),
  )
  add(cache.command('verify'), 'Read everything and check it.', 'portolan model cache verify').action(async (options) =>
    (await import('./commands/model-cache.ts')).verifyCaches(options),
  )
  add(cache.command('clear'), 'Forget everything.', 'portolan model cache clear').action(async (options) =>
    (await import('./commands/model-cache.ts')).clearCaches(options),
  )
}

function recordCommands(program: Command): void {
  const record = program
    .command('record')
    .description('Keep traffic for later: figures, hashes, redacted or full; encrypted, erasable.')
  add(
    record.command('start'),
    'Begin to record; a running gateway follows within a second.',
    'portolan record start --key team-a --level redacted --sample 10% --by session',
  )
    .option('--key <name>', 'name or id of a key, repeatable; default: every key', collect)
    .option('--level <level>', 'metrics, hashes, redacted or full', 'redacted')
    .addOption(
      new Option('--sample <share>', 'share of sessions, e.g. 10%').argParser(shareArgument).default(1, '100%'),
    )
    .addOption(new Option('--by <unit>', 'what sampling draws').choices(['session']).default('session'))
    .option('--stratum <rule>', 'another share for some sessions, repeatable, e.g. tools=true:100%', collect)
    .addOption(new Option('--retention <days>', 'content is deleted after so many days').argParser(wholeDays))
    .option('--name <name>', 'for people')
    .action(async (options) => (await import('./commands/record.ts')).startRecording(options))
  add(record.command('status'), 'What is recorded, and what was lost.', 'portolan record status --json').action(
    async (options) => (await import('./commands/record.ts')).recordingStatus(options),
  )
  add(
    record.command('stop').argument('[id]', 'id of the recording; needed when several run'),
    'End a recording.',
    'portolan record stop',
  ).action(async (id: string | undefined, options) => (await import('./commands/record.ts')).stopRecording(id, options))
  add(
    record.command('export').argument('<id>', 'id of the recording'),
    'Write a recording to one encrypted file with a key of its own.',
    'portolan record export rec_01J... --out week.bundle',
  )
    .requiredOption('--out <file>', 'the bundle')
    .option('--key-file <file>', 'its key; default: the bundle with .key at its end')
    .option('--force', 'replace existing files')
    .action(async (id: string, options) => (await import('./commands/record.ts')).exportRecording(id, options))
  add(
    record.command('erase'),
    "Destroy a subject's key: its recorded content can never be read again.",
    'portolan record erase --key team-a --user alice@example.com --yes',
  )
    .option('--session <id>', 'one session')
    .option('--key <name>', 'everything of a key')
    .option('--user <id>', 'of that key, one end user, as requests name them')
    .option('--yes', 'do it')
    .action(async (options) => (await import('./commands/record.ts')).eraseRecorded(options))
  add(
    record.command('import').argument('<file>', 'the file'),
    'Make a recording of what another tool wrote down.',
    'portolan record import litellm.jsonl --from litellm-logs --level redacted',
  )
    .requiredOption('--from <format>', 'openai-chat, openai-evals, promptfoo, litellm-logs or bundle')
    .option('--level <level>', 'hashes, redacted or full', 'redacted')
    .option('--key-file <file>', 'key of a bundle')
    .option('--name <name>', 'for people; default: the file name')
    .action(async (file: string, options) => (await import('./commands/record.ts')).importRecording(file, options))
}

function planCommands(program: Command): void {
  const plan = program
    .command('plan')
    .description('Fix, before any data, what is compared and who allowed what to go where.')
  add(
    plan.command('new').argument('[file]', 'plan file to write', 'plan.yaml'),
    'Draft a plan and freeze its list of cases from a recording.',
    'portolan plan new --recording rec_01J... --from openai:gpt-5.5 --to deepseek:deepseek-v4-pro --margin 2pt',
  )
    .requiredOption('--recording <id>', 'recording whose sessions are asked again, repeatable', collect)
    .requiredOption('--from <upstream:model>', 'the incumbent')
    .requiredOption('--to <upstream:model>', 'a candidate, repeatable', collect)
    .option('--margin <points>', 'largest tolerated loss of pass rate, e.g. 2pt', '2pt')
    .option('--cases <count>', 'at most so many cases, whole sessions, drawn by seed', (text) =>
      Number.parseInt(text, 10),
    )
    .option('--force', 'replace an existing file')
    .action(async (file: string, options) => (await import('./commands/plan.ts')).newPlan(file, options))
  add(
    plan.command('pilot').argument('[file]', 'plan file', 'plan.yaml'),
    'Enter what a pilot run measured, and the sample size that follows.',
    'portolan plan pilot plan.yaml --results pilot.json',
  )
    .requiredOption('--results <file>', 'paired outcomes of the pilot, as `replay` writes them')
    .action(async (file: string, options) => (await import('./commands/plan.ts')).pilotPlan(file, options))
  add(
    plan.command('freeze').argument('[file]', 'plan file', 'plan.yaml'),
    'Fix the plan: from now on it has a hash, and any change shows.',
    'portolan plan freeze plan.yaml',
  )
    .option('--amend <reason>', 'make the next version of a frozen plan; with runs in existence it says so')
    .action(async (file: string, options) => (await import('./commands/plan.ts')).freezePlan(file, options))
  for (const [name, text] of [
    ['show', 'What a plan promises, in words.'],
    ['verify', 'Is it well formed, unchanged since it was frozen, and may everything be sent?'],
  ] as const)
    add(
      plan.command(name).argument('[file]', 'plan file', 'plan.yaml'),
      text,
      `portolan plan ${name} plan.yaml`,
    ).action(async (file: string, options) =>
      (await import('./commands/plan.ts'))[name === 'show' ? 'showPlan' : 'verifyPlan'](file, options),
    )
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** `10%` or `0.1`. */
function shareArgument(text: string): number {
  const [, digits, percent] = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(text.trim()) ?? []
  const share = Number(digits) / (percent === '%' ? 100 : 1)
  if (!(share > 0 && share <= 1))
    throw new InvalidArgumentError('A share is above 0 and up to 100 %, such as 10% or 0.1.')
  return share
}

/** What every command has that reads no configuration. */
function describe(command: Command, description: string, example: string): Command {
  return command
    .description(description)
    .option('--json', 'print JSON, for scripts')
    .addHelpText('after', `\nExample:\n  $ ${example}`)
}

/** What every other command has. */
function add(command: Command, description: string, example: string): Command {
  return command
    .description(description)
    .option('--config <file>', 'configuration file (default: portolan.yaml, if there is one)')
    .option('--data <directory>', 'data directory (default: from the configuration, else .portolan)')
    .option('--json', 'print JSON, for scripts')
    .addHelpText('after', `\nExample:\n  $ ${example}`)
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  return port
}

function wholeDays(text: string): number {
  const days = Number(text)
  if (!Number.isInteger(days) || days < 1 || days > 36_500)
    throw new InvalidArgumentError('Days are a whole number from 1.')
  return days
}

function countOf(option: string, least: number): (text: string) => number {
  return (text) => {
    const count = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(count) || count < least)
      throw new InvalidArgumentError(`${option} is a whole number from ${least}.`)
    return count
  }
}

function decimal(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.')
  return value
}

/** `4096`, `128K`, `1M`; at least 1. */
function tokenCount(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,9})([km]?)$/i.exec(text) ?? []
  const count = Number(digits) * (unit === '' ? 1 : unit.toLowerCase() === 'k' ? 2 ** 10 : 2 ** 20)
  if (digits === undefined || count < 1)
    throw new InvalidArgumentError('A length is a whole number of tokens such as 4096, 128K or 1M.')
  return count
}
