/**
 * `node scripts/complete-lockfile.ts [FILE...]`: adds the other platforms' packages to a lock file that was made without them.
 *
 * npm leaves an optional package out of the lock file when the registry at hand does not carry it (mirrors often
 * keep only their own platforms), and npm 11.19 then refuses `npm ci` on every platform because the lock file
 * "is not in sync". This adds what such a lock file lacks: name, exact version, and the platform that the name
 * says. Integrity is left out where nobody could fetch the package; npm checks it wherever it stands.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface LockFile {
  packages: Record<string, LockEntry>
}

/** Words in the names of platform packages, as node says them in `process.platform` and `process.arch`. */
const systems: Readonly<Record<string, string>> = {
  darwin: 'darwin',
  win: 'win32',
  win32: 'win32',
  linux: 'linux',
  android: 'android',
  freebsd: 'freebsd',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  aix: 'aix',
}
const processors: Readonly<Record<string, string>> = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  riscv64: 'riscv64',
  ppc64: 'ppc64',
  s390x: 's390x',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
}

/** `linux-arm-gnueabihf`, `linux-x64-musl`, `win32-x64-msvc`, `linux-ppc64le`; null: no platform in this name. */
function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> | null {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-')
  const os = words.map((word) => systems[word]).find((word) => word !== undefined)
  const cpu = words.map((word) => processors[word.replace(/le$/, '')]).find((word) => word !== undefined)
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  if (os === undefined && cpu === undefined) return null
  return {
    ...(os === undefined ? {} : { os: [os] }),
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(os !== 'linux' || libc === undefined ? {} : { libc: [libc] }),
  }
}

function complete(path: string): void {
  const lock = JSON.parse(readFileSync(path, 'utf8')) as LockFile
  const added: string[] = []
  for (const [parent, entry] of Object.entries(lock.packages))
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (`node_modules/${name}` in lock.packages || `${parent}/node_modules/${name}` in lock.packages) continue
      const platform = platformOf(name)
      if (platform === null || !/^\d+\.\d+\.\d+$/.test(version)) continue
      lock.packages[`node_modules/${name}`] = {
        version,
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
        ...platform,
      }
      added.push(`${name}@${version}`)
    }
  const [root, ...others] = Object.entries(lock.packages)
  lock.packages = Object.fromEntries([root!, ...others.sort(([a], [b]) => a.localeCompare(b, 'en'))])
  if (added.length > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  console.log(`${path}: ${added.length === 0 ? 'complete' : `added ${added.join(', ')}`}`)
}

const files = process.argv.slice(2)
for (const file of files.length > 0 ? files : [join(import.meta.dirname, '..', 'package-lock.json')])
  complete(resolve(file))
