-- The first schema. It keeps to SQL that SQLite and PostgreSQL both take: ids are given by us, times are
-- microseconds since 1970, digests and bodies are bytes.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BYTEA NOT NULL
);

-- What each instance sent, in all. read = stored + duplicate + quarantined.
CREATE TABLE totals (
  instance    TEXT PRIMARY KEY,
  read        BIGINT NOT NULL,
  stored      BIGINT NOT NULL,
  duplicate   BIGINT NOT NULL,
  quarantined BIGINT NOT NULL,
  conflicts   BIGINT NOT NULL
);

-- One row per accepted batch. Events are compressed together; the summary lets look-ups pass over the
-- batch without opening it.
CREATE TABLE journal (
  seq         BIGINT PRIMARY KEY,
  instance    TEXT NOT NULL,
  received    BIGINT NOT NULL,
  read        INTEGER NOT NULL,
  stored      INTEGER NOT NULL,
  duplicate   INTEGER NOT NULL,
  quarantined INTEGER NOT NULL,
  events      INTEGER NOT NULL,
  min_time    BIGINT NOT NULL,
  max_time    BIGINT NOT NULL,
  -- keys are 16 bytes an event: a hash of (source, id) and the beginning of its content hash.
  keys        BYTEA,
  filter      BYTEA,
  data        BYTEA
);
CREATE INDEX journal_received ON journal (received);
CREATE INDEX journal_time ON journal (max_time, seq);

CREATE TABLE resources (
  id            BIGINT PRIMARY KEY,
  account       TEXT NOT NULL,
  region        TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id   TEXT NOT NULL,
  name          TEXT NOT NULL,
  arn           TEXT NOT NULL,
  status        TEXT NOT NULL,
  version       BIGINT NOT NULL,
  UNIQUE (resource_type, resource_id, account, region)
);
CREATE INDEX resources_by_type ON resources (resource_type, id);

-- Every version of every resource. number is given in the order of receiving; the version in force is
-- the greatest by (captured, number).
CREATE TABLE versions (
  number   BIGINT PRIMARY KEY,
  resource BIGINT NOT NULL,
  captured BIGINT NOT NULL,
  received BIGINT NOT NULL,
  instance TEXT NOT NULL,
  batch    BIGINT NOT NULL,
  status   TEXT NOT NULL,
  hash     BYTEA NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX versions_by_resource ON versions (resource, captured, number);

-- Until when the current version is known to have been in force. Apart from resources, because each
-- sweep writes it for every resource and the row should be small.
CREATE TABLE confirmed (
  resource BIGINT PRIMARY KEY,
  captured BIGINT NOT NULL
);

-- The relationships of current versions.
CREATE TABLE relationships (
  resource    BIGINT NOT NULL,
  target_type TEXT NOT NULL,
  target_id   TEXT NOT NULL,
  target_name TEXT NOT NULL,
  name        TEXT NOT NULL
);
CREATE INDEX relationships_out ON relationships (resource);
CREATE INDEX relationships_in ON relationships (target_type, target_id);
CREATE INDEX relationships_in_name ON relationships (target_type, target_name);

CREATE TABLE owners (
  resource BIGINT NOT NULL,
  instance TEXT NOT NULL,
  scope    TEXT NOT NULL,
  PRIMARY KEY (resource, instance)
);
CREATE INDEX owners_by_scope ON owners (instance, scope);

CREATE TABLE held_sweeps (
  instance TEXT NOT NULL,
  scope    TEXT NOT NULL,
  at       BIGINT NOT NULL,
  total    INTEGER NOT NULL,
  missing  BYTEA NOT NULL,
  PRIMARY KEY (instance, scope)
);

-- All verdicts on a resource in one row; see verdict.go for why.
CREATE TABLE verdicts (
  resource BIGINT PRIMARY KEY,
  body     BYTEA NOT NULL
);
CREATE TABLE verdict_counts (
  policy  TEXT NOT NULL,
  outcome TEXT NOT NULL,
  n       BIGINT NOT NULL,
  PRIMARY KEY (policy, outcome)
);

-- What policies read of other resources; target_id is '' where they read the whole type.
CREATE TABLE reads (
  row         BIGINT PRIMARY KEY,
  policy      TEXT NOT NULL,
  resource    BIGINT NOT NULL,
  target_type TEXT NOT NULL,
  target_id   TEXT NOT NULL,
  UNIQUE (policy, resource, target_type, target_id)
);
CREATE INDEX reads_by_target ON reads (target_type, target_id, row);
CREATE INDEX reads_by_resource ON reads (resource);

CREATE TABLE work (
  policy   TEXT NOT NULL,
  resource BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (policy, resource)
);
CREATE INDEX work_due ON work (due);

CREATE TABLE findings (
  row           BIGINT PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  policy        TEXT NOT NULL,
  resource      BIGINT NOT NULL,
  status        TEXT NOT NULL,
  outcome       TEXT NOT NULL,
  severity      TEXT NOT NULL,
  account       TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id   TEXT NOT NULL,
  waiver        TEXT NOT NULL,
  changed       BIGINT NOT NULL,
  body          BYTEA NOT NULL,
  UNIQUE (policy, resource)
);
CREATE INDEX findings_by_status ON findings (status, row);
CREATE INDEX findings_by_change ON findings (changed);
CREATE INDEX findings_by_resource ON findings (resource);

CREATE TABLE alarm_keys (
  id      BIGINT PRIMARY KEY,
  policy  TEXT NOT NULL,
  account TEXT NOT NULL,
  name    TEXT NOT NULL,
  state   BYTEA NOT NULL,
  newest  BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  UNIQUE (policy, account, name)
);
CREATE TABLE alarm_matches (
  alarm_key BIGINT NOT NULL,
  at        BIGINT NOT NULL,
  event     TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (alarm_key, at, event, value)
);
CREATE TABLE episodes (
  id       TEXT PRIMARY KEY,
  policy   TEXT NOT NULL,
  account  TEXT NOT NULL,
  severity TEXT NOT NULL,
  state    TEXT NOT NULL,
  started  BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX episodes_due ON episodes (due);
CREATE INDEX episodes_started ON episodes (started, id);

CREATE TABLE changes (
  seq  BIGINT PRIMARY KEY,
  at   BIGINT NOT NULL,
  body BYTEA NOT NULL
);

-- What routing holds back, one row per route and group; body is routing's own.
CREATE TABLE groups (
  route TEXT NOT NULL,
  name  TEXT NOT NULL,
  due   BIGINT NOT NULL,
  body  BYTEA NOT NULL,
  PRIMARY KEY (route, name)
);
CREATE INDEX groups_due ON groups (due);

CREATE TABLE deliveries (
  seq       BIGINT PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  route     TEXT NOT NULL,
  instance  TEXT NOT NULL,
  group_key TEXT NOT NULL,
  class     TEXT NOT NULL,
  created   BIGINT NOT NULL,
  next      BIGINT NOT NULL,
  attempts  INTEGER NOT NULL,
  state     TEXT NOT NULL,
  changed   BIGINT NOT NULL,
  answer    TEXT NOT NULL,
  document  BYTEA NOT NULL
);
CREATE INDEX deliveries_open ON deliveries (state, instance, group_key, seq);

CREATE TABLE cursors (
  instance TEXT PRIMARY KEY,
  cursor   BYTEA NOT NULL
);

CREATE TABLE gaps (
  row      BIGINT PRIMARY KEY,
  instance TEXT NOT NULL,
  from_at  BIGINT NOT NULL,
  to_at    BIGINT NOT NULL,
  reason   TEXT NOT NULL
);
CREATE INDEX gaps_by_instance ON gaps (instance, from_at);

CREATE TABLE quarantine (
  row      BIGINT PRIMARY KEY,
  instance TEXT NOT NULL,
  received BIGINT NOT NULL,
  kind     TEXT NOT NULL,
  reason   TEXT NOT NULL,
  origin   TEXT NOT NULL,
  bytes    BYTEA NOT NULL
);
CREATE INDEX quarantine_received ON quarantine (received);
