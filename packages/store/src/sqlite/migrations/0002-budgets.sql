-- Budgets, what each of their periods has spent and reserved, and the reservations of requests in flight.

CREATE TABLE budgets (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  currency TEXT NOT NULL,
  limit_nanos INTEGER NOT NULL,
  period TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_periods (
  budget_id TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  spent_nanos INTEGER NOT NULL,
  reserved_nanos INTEGER NOT NULL CHECK (reserved_nanos >= 0),
  overrun_nanos INTEGER NOT NULL,
  PRIMARY KEY (budget_id, start_ms)
) STRICT, WITHOUT ROWID;

-- state: 'open', then 'settled' or 'expired'; an expired one can still be settled.
CREATE TABLE reservations (
  request_id TEXT NOT NULL,
  budget_id TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  amount_nanos INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (request_id, budget_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_open ON reservations (expires_at_ms) WHERE state = 'open';
