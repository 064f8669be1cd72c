-- The digests of the lake. A digest's bytes are decided here before its file is written, and let go when
-- the file is there; done says which.
CREATE TABLE ledger (
  number      BIGINT PRIMARY KEY,
  path        TEXT NOT NULL UNIQUE,
  hash        BYTEA NOT NULL,
  from_at     BIGINT NOT NULL,
  to_at       BIGINT NOT NULL,
  written     BIGINT NOT NULL,
  last_change BIGINT NOT NULL,
  public_key  BYTEA NOT NULL,
  done        INTEGER NOT NULL,
  body        BYTEA NOT NULL
);
