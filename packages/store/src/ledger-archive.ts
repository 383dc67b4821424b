/** What is known of a file that holds entries of the ledger; stands beside the file and in the ledger. */
export interface ArchiveManifest {
  readonly format: 'portolan-ledger-archive-1'
  /** Name without directory. */
  readonly file: string
  readonly bytes: number
  /** Of the compressed file, lower-case hex. */
  readonly sha256: string
  readonly createdAt: string
  readonly firstBatch: number
  readonly lastBatch: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly rows: number
  readonly corrections: number
  /** The chain's hash before the first batch and after the last. */
  readonly hashBefore: string
  readonly hashAfter: string
  /** What the entries come to, by currency ('' for none) and column of the sums; decimal text. */
  readonly sums: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface ArchiveOptions {
  readonly directory: string
  /** Batches committed before this go. */
  readonly beforeMs: number
  /** Entries a file, at least one batch. Default 100,000. */
  readonly maxEntries?: number
  /** Rest between two deletions, for a thread beside a process that writes rows. Default: none. */
  readonly pauseMs?: number
  readonly onProgress?: (manifest: ArchiveManifest) => void
}

export interface KnownArchive {
  /** Where it was written; somebody may have moved it since. */
  readonly path: string
  readonly manifest: ArchiveManifest
}
