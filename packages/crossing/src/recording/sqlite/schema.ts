/** Tables of `recordings.db`. Words of a conversation are never in here: only figures, names of models, keyed hashes. */
export const schemaVersion = 1

export const schema = `
CREATE TABLE recordings (
  id TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  stopped_at INTEGER
) STRICT;

CREATE TABLE counters (
  recording_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (recording_id, name)
) STRICT, WITHOUT ROWID;

-- Sessions that sampling left out stay here too, so that their later turns are left out as well.
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  recording_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  evidence TEXT NOT NULL,
  stratum TEXT NOT NULL,
  probability REAL NOT NULL,
  included INTEGER NOT NULL,
  forked_from TEXT,
  forked_seq INTEGER,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  exchanges INTEGER NOT NULL,
  erased INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_of_recording ON sessions (recording_id, number);
CREATE INDEX sessions_of_subject ON sessions (recording_id, subject);

-- Where a conversation stands: kind 0 after a question, 1 after its answer. Emptied when a recording stops.
CREATE TABLE heads (
  chain BLOB NOT NULL,
  session INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  PRIMARY KEY (chain, session, seq, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX heads_of_session ON heads (session);

-- Keyed hashes of names that clients gave their conversations, and of ids of answers.
CREATE TABLE names (
  name BLOB PRIMARY KEY,
  session INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX names_of_session ON names (session);

-- One wrapped data key per subject; null once it was destroyed.
CREATE TABLE subjects (
  recording_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  key_id TEXT NOT NULL,
  wrapped BLOB,
  erased_at INTEGER,
  PRIMARY KEY (recording_id, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchanges (
  session INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  figures TEXT NOT NULL,
  file TEXT,
  offset INTEGER,
  length INTEGER,
  -- How far the request reaches (see delta.ts): items, blocks, their keyed hashes, and deltas under this one.
  items INTEGER,
  blocks INTEGER,
  chain BLOB,
  depth INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX exchanges_of_file ON exchanges (file) WHERE file IS NOT NULL;
`
