-- Closed reservations are forgotten by their age, without a walk over all of them.
CREATE INDEX reservations_closed ON reservations (expires_at_ms) WHERE state <> 'open';
