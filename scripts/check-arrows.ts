/** `npm run lint`, third part: the import arrows of `arrows.ts` over every file of the house. */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { ArrowCheck } from './arrows.ts'

const root = resolve(import.meta.dirname, '..')
const files = globSync(['packages/*/{src,test}/**/*.ts', 'testing/*/{,src/**/}*.ts', 'bench/**/*.ts'], { cwd: root })
  .map((file) => file.split(sep).join('/'))
  // `assembly` is AssemblyScript: another language, compiled by asc, without imports from outside.
  .filter((file) => !/\/node_modules\/|\.d\.ts$|\/judged\/|\/kernels\/src\/assembly\//.test(file))
  .sort()

const check = new ArrowCheck()
for (const file of files) check.read(file, readFileSync(join(root, file), 'utf8'))
const findings = check.findings()
for (const { file, line, message } of findings) console.error(`${file}:${line}: ${message}`)
if (findings.length > 0) {
  console.error(
    `\n${findings.length} arrow${findings.length === 1 ? '' : 's'} point the wrong way; the rules are in scripts/arrows.ts.`,
  )
  process.exitCode = 1
} else console.log(`Arrows point the right way in ${files.length} files.`)
