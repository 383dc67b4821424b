/** Small facts that outlive the process, by name. */
import type { DatabaseSync } from 'node:sqlite'
import { inTransaction, toStoreError } from './database.ts'

export class SqliteSettings {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  get(name: string): string | null {
    try {
      const value = this.#database.prepare('SELECT value FROM settings WHERE name = ?').get(name)?.['value']
      return typeof value === 'string' ? value : null
    } catch (error) {
      throw toStoreError(error, 'reading settings')
    }
  }

  set(name: string, value: string): void {
    inTransaction(this.#database, () =>
      this.#database
        .prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
        .run(name, value),
    )
  }

  /** Sets it unless it is there. True: this call did. */
  setFirst(name: string, value: string): boolean {
    return inTransaction(
      this.#database,
      () =>
        this.#database.prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT DO NOTHING').run(name, value).changes >
        0,
    )
  }
}
