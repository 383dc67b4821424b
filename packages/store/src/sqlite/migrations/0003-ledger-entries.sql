-- Rows become canonical text with a digest, chained by batch; corrections are entries of their own; rollups know
-- teams and tags, and days and months that are over are summed up once more.

CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  key_id TEXT,
  -- Of `body`, 128 bits of SHA-256 in base64url; NULL: written before there was a chain.
  digest TEXT,
  -- A JSON array in the order of the view below.
  body TEXT NOT NULL
) STRICT;

CREATE INDEX entries_by_key ON entries (key_id, seq);

INSERT INTO entries (seq, request_id, key_id, digest, body)
SELECT seq, request_id, key_id, NULL, json_array(
  request_id, key_id, NULL, NULL, session_id, door, path, upstream, upstream_protocol, model_asked, model_sent,
  model_served, upstream_request_id, stream, status, http_status, error_code, usage_source, usage_convention,
  input_tokens, hit_tokens, miss_tokens, written_tokens, written_1h_tokens, output_tokens, reasoning_tokens,
  json(usage_raw), currency, CAST(cost_nanos AS TEXT), CAST(miss_nanos AS TEXT), CAST(hit_nanos AS TEXT),
  CAST(write_5m_nanos AS TEXT), CAST(write_1h_nanos AS TEXT), CAST(output_nanos AS TEXT), price_version,
  unpriced_reason, started_at_ms, first_byte_ms, first_reasoning_ms, first_text_ms, end_ms, bytes_in, bytes_out,
  prefix_kept_bytes, prefix_total_bytes, prefix_break_cause, translation, attempts, json(tags))
FROM requests ORDER BY seq;

DROP TABLE requests;

-- A row by its columns, for people and other programs. Not generated columns: a strict table computes those on insert.
-- Amounts beyond 2^53 are decimal text in the body.
CREATE VIEW requests AS SELECT
  seq,
  request_id,
  key_id,
  json_extract(body, '$[2]') AS team,
  json_extract(body, '$[3]') AS tag,
  json_extract(body, '$[4]') AS session_id,
  json_extract(body, '$[5]') AS door,
  json_extract(body, '$[6]') AS path,
  json_extract(body, '$[7]') AS upstream,
  json_extract(body, '$[8]') AS upstream_protocol,
  json_extract(body, '$[9]') AS model_asked,
  json_extract(body, '$[10]') AS model_sent,
  json_extract(body, '$[11]') AS model_served,
  json_extract(body, '$[12]') AS upstream_request_id,
  json_extract(body, '$[13]') AS stream,
  json_extract(body, '$[14]') AS status,
  json_extract(body, '$[15]') AS http_status,
  json_extract(body, '$[16]') AS error_code,
  json_extract(body, '$[17]') AS usage_source,
  json_extract(body, '$[18]') AS usage_convention,
  json_extract(body, '$[19]') AS input_tokens,
  json_extract(body, '$[20]') AS hit_tokens,
  json_extract(body, '$[21]') AS miss_tokens,
  json_extract(body, '$[22]') AS written_tokens,
  json_extract(body, '$[23]') AS written_1h_tokens,
  json_extract(body, '$[24]') AS output_tokens,
  json_extract(body, '$[25]') AS reasoning_tokens,
  json_extract(body, '$[26]') AS usage_raw,
  json_extract(body, '$[27]') AS currency,
  CAST(json_extract(body, '$[28]') AS INTEGER) AS cost_nanos,
  CAST(json_extract(body, '$[29]') AS INTEGER) AS miss_nanos,
  CAST(json_extract(body, '$[30]') AS INTEGER) AS hit_nanos,
  CAST(json_extract(body, '$[31]') AS INTEGER) AS write_5m_nanos,
  CAST(json_extract(body, '$[32]') AS INTEGER) AS write_1h_nanos,
  CAST(json_extract(body, '$[33]') AS INTEGER) AS output_nanos,
  json_extract(body, '$[34]') AS price_version,
  json_extract(body, '$[35]') AS unpriced_reason,
  json_extract(body, '$[36]') AS started_at_ms,
  json_extract(body, '$[37]') AS first_byte_ms,
  json_extract(body, '$[38]') AS first_reasoning_ms,
  json_extract(body, '$[39]') AS first_text_ms,
  json_extract(body, '$[40]') AS end_ms,
  json_extract(body, '$[41]') AS bytes_in,
  json_extract(body, '$[42]') AS bytes_out,
  json_extract(body, '$[43]') AS prefix_kept_bytes,
  json_extract(body, '$[44]') AS prefix_total_bytes,
  json_extract(body, '$[45]') AS prefix_break_cause,
  json_extract(body, '$[46]') AS translation,
  json_extract(body, '$[47]') AS attempts,
  json_extract(body, '$[48]') AS tags
FROM entries;

-- What is said later about a row. `seq` comes from the same count as that of the rows.
CREATE TABLE corrections (
  seq INTEGER PRIMARY KEY,
  correction_id TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE INDEX corrections_by_request ON corrections (request_id, seq);

-- One commit: the digests of its entries in order of `seq`, hashed together with the hash before it.
CREATE TABLE ledger_batches (
  batch INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  committed_at_ms INTEGER NOT NULL,
  -- Start instants of its rows, to find a range of time without an index of its own.
  earliest_ms INTEGER NOT NULL,
  latest_ms INTEGER NOT NULL,
  archive_id INTEGER,
  hash TEXT NOT NULL
) STRICT;

-- Batch 0 holds what was written before there was a chain.
INSERT INTO ledger_batches
SELECT 0, 1, COALESCE(MAX(seq), 0), 0, COALESCE(MIN(started_at_ms), 0), COALESCE(MAX(started_at_ms), 0), NULL,
  '0000000000000000000000000000000000000000000000000000000000000000'
FROM requests;

-- Files that hold the entries of old batches, and what those came to.
CREATE TABLE ledger_archives (
  archive_id INTEGER PRIMARY KEY,
  first_batch INTEGER NOT NULL,
  last_batch INTEGER NOT NULL,
  file TEXT NOT NULL,
  manifest TEXT NOT NULL
) STRICT;

-- '' stands for "none" because a key column cannot be NULL.
CREATE TABLE usage_dimensions (
  dimension_id INTEGER PRIMARY KEY,
  key_id TEXT NOT NULL,
  team TEXT NOT NULL,
  tag TEXT NOT NULL,
  model TEXT NOT NULL,
  upstream TEXT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  UNIQUE (key_id, team, tag, model, upstream, currency, status)
) STRICT;

CREATE TABLE usage_hours (
  start_ms INTEGER NOT NULL,
  dimension_id INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  requests_unpriced INTEGER NOT NULL,
  requests_without_usage INTEGER NOT NULL,
  requests_estimated INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  hit_tokens INTEGER NOT NULL,
  miss_tokens INTEGER NOT NULL,
  written_tokens INTEGER NOT NULL,
  written_1h_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nanos INTEGER NOT NULL,
  miss_nanos INTEGER NOT NULL,
  hit_nanos INTEGER NOT NULL,
  write_5m_nanos INTEGER NOT NULL,
  write_1h_nanos INTEGER NOT NULL,
  output_nanos INTEGER NOT NULL,
  estimated_nanos INTEGER NOT NULL,
  PRIMARY KEY (start_ms, dimension_id)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_dimensions (key_id, team, tag, model, upstream, currency, status)
SELECT DISTINCT key_id, '', '', model, upstream, currency, status FROM usage_hourly;

INSERT INTO usage_hours
SELECT hour_ms, dimension_id, requests, requests_unpriced, requests_without_usage, 0, input_tokens, hit_tokens,
  miss_tokens, written_tokens, 0, output_tokens, reasoning_tokens, cost_nanos, miss_nanos, hit_nanos, write_5m_nanos,
  write_1h_nanos, output_nanos, 0
FROM usage_hourly JOIN usage_dimensions USING (key_id, model, upstream, currency, status);

DROP TABLE usage_hourly;

-- Derived from the hours once a day is over, and thrown away when something is added to it; see `usage_sealed`.
CREATE TABLE usage_days AS SELECT * FROM usage_hours WHERE 0;
CREATE UNIQUE INDEX usage_days_by_start ON usage_days (start_ms, dimension_id);
CREATE INDEX usage_days_by_dimension ON usage_days (dimension_id, start_ms);
CREATE TABLE usage_months AS SELECT * FROM usage_hours WHERE 0;
CREATE UNIQUE INDEX usage_months_by_start ON usage_months (start_ms, dimension_id);
-- The days without keys and tags, which is what most charts ask for; their dimensions have '*' for both.
CREATE TABLE usage_days_coarse AS SELECT * FROM usage_hours WHERE 0;
CREATE UNIQUE INDEX usage_days_coarse_by_start ON usage_days_coarse (start_ms, dimension_id);

-- Days and months whose sums are complete.
CREATE TABLE usage_sealed (
  unit TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  PRIMARY KEY (unit, start_ms)
) STRICT, WITHOUT ROWID;
