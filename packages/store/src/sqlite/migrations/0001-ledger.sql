-- The request ledger, its hourly rollups, client keys and reasoning memory.
-- Times are Unix milliseconds, money is integer nano-units of `currency`, NULL is "not known".

CREATE TABLE requests (
  seq INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  key_id TEXT,
  session_id TEXT,
  door TEXT,
  path TEXT NOT NULL,
  upstream TEXT,
  upstream_protocol TEXT,
  model_asked TEXT,
  model_sent TEXT,
  model_served TEXT,
  upstream_request_id TEXT,
  stream INTEGER NOT NULL,
  status TEXT NOT NULL,
  http_status INTEGER,
  error_code TEXT,
  usage_source TEXT NOT NULL,
  usage_convention TEXT NOT NULL,
  input_tokens INTEGER,
  hit_tokens INTEGER,
  miss_tokens INTEGER,
  written_tokens INTEGER,
  written_1h_tokens INTEGER,
  output_tokens INTEGER,
  reasoning_tokens INTEGER,
  usage_raw TEXT,
  currency TEXT,
  cost_nanos INTEGER,
  miss_nanos INTEGER,
  hit_nanos INTEGER,
  write_5m_nanos INTEGER,
  write_1h_nanos INTEGER,
  output_nanos INTEGER,
  price_version TEXT,
  unpriced_reason TEXT,
  started_at_ms INTEGER NOT NULL,
  first_byte_ms INTEGER,
  first_reasoning_ms INTEGER,
  first_text_ms INTEGER,
  end_ms INTEGER,
  bytes_in INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  prefix_kept_bytes INTEGER,
  prefix_total_bytes INTEGER,
  prefix_break_cause TEXT,
  translation TEXT,
  attempts INTEGER NOT NULL,
  tags TEXT
) STRICT;

-- Newest rows of one key, without walking everybody's.
CREATE INDEX requests_by_key ON requests (key_id, seq);

-- Sums by hour; '' stands for "none" because a key column cannot be NULL.
CREATE TABLE usage_hourly (
  hour_ms INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  upstream TEXT NOT NULL,
  model TEXT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  requests INTEGER NOT NULL,
  requests_unpriced INTEGER NOT NULL,
  requests_without_usage INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  hit_tokens INTEGER NOT NULL,
  miss_tokens INTEGER NOT NULL,
  written_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nanos INTEGER NOT NULL,
  miss_nanos INTEGER NOT NULL,
  hit_nanos INTEGER NOT NULL,
  write_5m_nanos INTEGER NOT NULL,
  write_1h_nanos INTEGER NOT NULL,
  output_nanos INTEGER NOT NULL,
  PRIMARY KEY (hour_ms, key_id, upstream, model, currency, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  display TEXT NOT NULL,
  models TEXT NOT NULL,
  tags TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Counters that several processes watch.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters VALUES ('keys', 0);

-- Sealed: `payload` is encrypted with a key that is not in this file.
CREATE TABLE reasoning_memory (
  seq INTEGER PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  payload BLOB NOT NULL,
  used_at_ms INTEGER NOT NULL,
  UNIQUE (tenant_id, call_id)
) STRICT;

CREATE INDEX reasoning_memory_by_use ON reasoning_memory (used_at_ms);
