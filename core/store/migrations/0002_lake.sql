-- The lake: which files are in it, what changed there, and what waits to be drained into it.

-- A digest of each event of a batch, in their order: what duplicates are compared by once the batch itself
-- has moved to the lake. See duplicate.go.
CREATE TABLE event_checks (
  seq    BIGINT PRIMARY KEY,
  checks BYTEA NOT NULL
);

-- The states that findings, episodes and deliveries came into, until they are drained.
CREATE TABLE finding_history (
  number   BIGINT PRIMARY KEY,
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE TABLE episode_history (
  number   BIGINT PRIMARY KEY,
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE TABLE delivery_history (
  number   BIGINT PRIMARY KEY,
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  body     BYTEA NOT NULL
);

-- How far each table is drained: up to this number, or for events up to this row of the journal.
CREATE TABLE lake_drained (
  name   TEXT PRIMARY KEY,
  number BIGINT NOT NULL
);

-- The manifest. part is the partition; level is 0 for a drained file and 1 for a compacted one.
CREATE TABLE lake_files (
  id           BIGINT PRIMARY KEY,
  name         TEXT NOT NULL,
  part         TEXT NOT NULL,
  path         TEXT NOT NULL UNIQUE,
  level        INTEGER NOT NULL,
  records      BIGINT NOT NULL,
  bytes        BIGINT NOT NULL,
  sha256       BYTEA NOT NULL,
  root         BYTEA NOT NULL,
  min_number   BIGINT NOT NULL,
  max_number   BIGINT NOT NULL,
  min_time     BIGINT NOT NULL,
  max_time     BIGINT NOT NULL,
  min_received BIGINT NOT NULL,
  max_received BIGINT NOT NULL,
  as_of        BIGINT NOT NULL
);
CREATE INDEX lake_files_by_time ON lake_files (name, max_time);
CREATE INDEX lake_files_by_part ON lake_files (name, part, level);

-- What changed in the manifest, for the digests; body is JSON.
CREATE TABLE lake_changes (
  seq  BIGINT PRIMARY KEY,
  at   BIGINT NOT NULL,
  body BYTEA NOT NULL
);

-- The one piece of work on the lake that is under way; body is the lake's own.
CREATE TABLE lake_plan (
  id   BIGINT PRIMARY KEY,
  body BYTEA NOT NULL
);

-- Files that are in the manifest no more, to be removed when nobody reads them.
CREATE TABLE lake_garbage (
  path TEXT PRIMARY KEY,
  at   BIGINT NOT NULL
);
