-- The states that gaps came into, until they are drained.
CREATE TABLE gap_history (
  number   BIGINT PRIMARY KEY,
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
