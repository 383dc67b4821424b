-- Keys in teams in organisations; limits of money, tokens and requests on them; rate limits; fired alerts; settings.

-- source: 'config' (portolan.yaml) or 'admin' (the admin API); a configuration touches its own rows only.
CREATE TABLE organisations (
  id TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE teams (
  id TEXT PRIMARY KEY,
  organisation_id TEXT,
  source TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE keys ADD COLUMN team_id TEXT;

-- `limit_amount` is nanos, tokens or requests, as `unit` says; `window_ms` is set for rolling periods only.
-- `scope` and `alerts` are JSON. A retired budget holds nobody any more, and keeps its counters.
ALTER TABLE budgets RENAME COLUMN limit_nanos TO limit_amount;
ALTER TABLE budgets ADD COLUMN unit TEXT NOT NULL DEFAULT 'money';
ALTER TABLE budgets ADD COLUMN window_ms INTEGER;
ALTER TABLE budgets ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
ALTER TABLE budgets ADD COLUMN alerts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE budgets ADD COLUMN source TEXT NOT NULL DEFAULT 'config';
ALTER TABLE budgets ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;

-- One counter for each budget, subject ('' unless the budget counts each key, team, ... apart) and period, or slot
-- of a rolling window.
CREATE TABLE budget_counters (
  budget_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  reserved INTEGER NOT NULL CHECK (reserved >= 0),
  overrun INTEGER NOT NULL,
  PRIMARY KEY (budget_id, subject, start_ms)
) STRICT, WITHOUT ROWID;
INSERT INTO budget_counters SELECT budget_id, '', start_ms, spent_nanos, reserved_nanos, overrun_nanos FROM budget_periods;
DROP TABLE budget_periods;

-- state: 'open', then 'settled' or 'expired'; an expired one can still be settled. `owner` is the process that holds it.
DROP INDEX reservations_open;
ALTER TABLE reservations RENAME TO reservations_before;
CREATE TABLE reservations (
  request_id TEXT NOT NULL,
  budget_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  owner TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (request_id, budget_id, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO reservations
  SELECT request_id, budget_id, '', start_ms, amount_nanos, expires_at_ms, '', state FROM reservations_before;
DROP TABLE reservations_before;
CREATE INDEX reservations_open ON reservations (expires_at_ms) WHERE state = 'open';

CREATE TABLE rate_limits (
  id TEXT PRIMARY KEY,
  unit TEXT NOT NULL,
  amount INTEGER NOT NULL,
  per_ms INTEGER NOT NULL,
  burst INTEGER NOT NULL,
  scope TEXT NOT NULL,
  source TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rate_counters (
  limit_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  level INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (limit_id, subject)
) STRICT, WITHOUT ROWID;

-- What fired, once for each period, and whether it was told: the outbox of webhooks.
-- state: 'waiting', then 'delivered', 'given-up', or 'untold' where no webhook was configured.
CREATE TABLE budget_alerts (
  seq INTEGER PRIMARY KEY,
  budget_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  event TEXT NOT NULL,
  fired_at_ms INTEGER NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_try_ms INTEGER NOT NULL,
  UNIQUE (budget_id, subject, start_ms, event)
) STRICT;
CREATE INDEX budget_alerts_waiting ON budget_alerts (next_try_ms) WHERE state = 'waiting';

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
