-- The first schema. It keeps to SQL that SQLite and PostgreSQL both take: numbers are given by us, times
-- are microseconds since 1970 with 0 for none, digests and bodies are bytes. Columns that hold bodies
-- stand last, so that the others are read without them.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value BYTEA NOT NULL
);

-- What bodies of one kind are compressed against; see body.go.
CREATE TABLE dictionaries (
  id    BIGINT PRIMARY KEY,
  kind  TEXT NOT NULL,
  bytes BYTEA NOT NULL
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

-- One row per accepted batch.
CREATE TABLE journal (
  seq         BIGINT PRIMARY KEY,
  instance    TEXT NOT NULL,
  received    BIGINT NOT NULL,
  read        INTEGER NOT NULL,
  stored      INTEGER NOT NULL,
  duplicate   INTEGER NOT NULL,
  quarantined INTEGER NOT NULL
);
CREATE INDEX journal_received ON journal (received);

-- The summaries of the batches that hold events, apart from the events, so that many are read at once.
-- first_event numbers the first event of the batch among all events ever stored.
CREATE TABLE event_batches (
  seq         BIGINT PRIMARY KEY REFERENCES journal (seq),
  instance    TEXT NOT NULL,
  received    BIGINT NOT NULL,
  first_event BIGINT NOT NULL UNIQUE,
  events      INTEGER NOT NULL,
  min_time    BIGINT NOT NULL,
  max_time    BIGINT NOT NULL,
  filter      BYTEA NOT NULL
);
CREATE INDEX event_batches_time ON event_batches (max_time, seq);

CREATE TABLE event_data (
  seq  BIGINT PRIMARY KEY,
  data BYTEA NOT NULL
);

-- The fingerprints of the events' ids: of batches in no segment yet in the order of the events, else by
-- segment and the beginning of the fingerprint. See segment.go.
CREATE TABLE event_ids (
  seq BIGINT PRIMARY KEY,
  ids BYTEA NOT NULL
);
CREATE TABLE event_segments (
  id          BIGINT PRIMARY KEY,
  first_event BIGINT NOT NULL,
  events      INTEGER NOT NULL,
  newest      BIGINT NOT NULL,
  filter      BYTEA NOT NULL
);
CREATE TABLE event_pages (
  id      BIGINT PRIMARY KEY,
  entries BYTEA NOT NULL
);

CREATE TABLE resources (
  id            BIGINT PRIMARY KEY,
  account       TEXT NOT NULL,
  region        TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id   TEXT NOT NULL,
  name          TEXT NOT NULL,
  arn           TEXT NOT NULL,
  status        TEXT NOT NULL,
  version       BIGINT NOT NULL UNIQUE,
  hash          BYTEA NOT NULL,
  UNIQUE (resource_type, resource_id, account, region)
);
-- status stands in it so that they are counted without reading the table.
CREATE INDEX resources_by_type ON resources (resource_type, id, status);
CREATE INDEX resources_by_name ON resources (name) WHERE name <> '';
CREATE INDEX resources_by_arn ON resources (arn) WHERE arn <> '';

-- Every version of every resource. number is given in the order of receiving; the version in force is
-- the greatest by (captured, number). prior is the latest time for which the version before this one is
-- known to have been in force, 0 where nothing is known beyond its own capture.
CREATE TABLE versions (
  number   BIGINT PRIMARY KEY,
  resource BIGINT NOT NULL REFERENCES resources (id),
  captured BIGINT NOT NULL,
  received BIGINT NOT NULL,
  prior    BIGINT NOT NULL,
  instance TEXT NOT NULL,
  batch    BIGINT NOT NULL,
  hash     BYTEA NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX versions_by_resource ON versions (resource, captured, number);

-- Until when the current version is known to be in force. Apart from resources, because each sweep
-- writes it for every resource and the row should be small.
CREATE TABLE confirmed (
  resource BIGINT PRIMARY KEY REFERENCES resources (id),
  captured BIGINT NOT NULL
);

-- The relationships of current versions.
CREATE TABLE relationships (
  resource    BIGINT NOT NULL REFERENCES resources (id),
  place       INTEGER NOT NULL,
  target_type TEXT NOT NULL,
  target_id   TEXT NOT NULL,
  target_name TEXT NOT NULL,
  name        TEXT NOT NULL,
  PRIMARY KEY (resource, place)
);
CREATE INDEX relationships_by_id ON relationships (target_type, target_id) WHERE target_id <> '';
CREATE INDEX relationships_by_name ON relationships (target_type, target_name) WHERE target_name <> '';

CREATE TABLE owners (
  resource BIGINT NOT NULL REFERENCES resources (id),
  instance TEXT NOT NULL,
  scope    TEXT NOT NULL,
  PRIMARY KEY (resource, instance)
);
CREATE INDEX owners_by_scope ON owners (instance, scope, resource);

CREATE TABLE held_sweeps (
  instance TEXT NOT NULL,
  scope    TEXT NOT NULL,
  at       BIGINT NOT NULL,
  total    INTEGER NOT NULL,
  missing  BYTEA NOT NULL,
  PRIMARY KEY (instance, scope)
);

-- All verdicts on a resource in one row; see verdict.go for why. What the verdicts of a policy have in
-- common is written once, in verdict_terms.
CREATE TABLE verdicts (
  resource BIGINT PRIMARY KEY REFERENCES resources (id),
  body     BYTEA NOT NULL
);
CREATE TABLE verdict_terms (
  id         BIGINT PRIMARY KEY,
  policy     TEXT NOT NULL,
  digest     TEXT NOT NULL,
  parameters TEXT NOT NULL,
  engine     TEXT NOT NULL,
  UNIQUE (policy, digest, parameters, engine)
);
CREATE TABLE verdict_counts (
  policy  TEXT NOT NULL,
  outcome TEXT NOT NULL,
  n       BIGINT NOT NULL,
  PRIMARY KEY (policy, outcome)
);

-- What policies read of other resources; target_id is '' where they read the whole type.
CREATE TABLE reads (
  number      BIGINT PRIMARY KEY,
  policy      TEXT NOT NULL,
  resource    BIGINT NOT NULL REFERENCES resources (id),
  target_type TEXT NOT NULL,
  target_id   TEXT NOT NULL,
  UNIQUE (resource, policy, target_type, target_id)
);
CREATE INDEX reads_by_target ON reads (target_type, target_id, number);

CREATE TABLE work (
  policy   TEXT NOT NULL,
  resource BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (policy, resource)
);
CREATE INDEX work_due ON work (due);

-- place orders findings by when they were opened; one that is opened again moves to the front.
CREATE TABLE findings (
  place         BIGINT PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  policy        TEXT NOT NULL,
  resource      BIGINT NOT NULL REFERENCES resources (id),
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
CREATE INDEX findings_by_status ON findings (status, place);
CREATE INDEX findings_open ON findings (severity, waiver) WHERE status = 'OPEN';
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
  alarm_key BIGINT NOT NULL REFERENCES alarm_keys (id),
  at        BIGINT NOT NULL,
  event     TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (alarm_key, at, event, value)
);
CREATE TABLE episodes (
  id       TEXT PRIMARY KEY,
  policy   TEXT NOT NULL,
  account  TEXT NOT NULL,
  name     TEXT NOT NULL,
  severity TEXT NOT NULL,
  state    TEXT NOT NULL,
  started  BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX episodes_by_due ON episodes (due) WHERE due > 0;
CREATE INDEX episodes_by_start ON episodes (started, id);
CREATE INDEX episodes_firing ON episodes (policy, account, name) WHERE state = 'ALARM';

CREATE TABLE changes (
  seq  BIGINT PRIMARY KEY,
  at   BIGINT NOT NULL,
  body BYTEA NOT NULL
);

-- What routing holds back, one row per route and group; body is routing's own.
CREATE TABLE route_groups (
  route TEXT NOT NULL,
  name  TEXT NOT NULL,
  due   BIGINT NOT NULL,
  body  BYTEA NOT NULL,
  PRIMARY KEY (route, name)
);
CREATE INDEX route_groups_due ON route_groups (due) WHERE due > 0;

-- next is 0 for what has ended, and for what waits for a delivery before it in its group.
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
CREATE INDEX deliveries_pending ON deliveries (instance, group_key, seq) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (instance, next, seq) WHERE state = 'pending' AND next > 0;
CREATE INDEX deliveries_by_state ON deliveries (instance, state);

CREATE TABLE cursors (
  instance TEXT PRIMARY KEY,
  bytes    BYTEA NOT NULL
);

CREATE TABLE gaps (
  number   BIGINT PRIMARY KEY,
  instance TEXT NOT NULL,
  from_at  BIGINT NOT NULL,
  to_at    BIGINT NOT NULL,
  reason   TEXT NOT NULL
);
CREATE INDEX gaps_by_instance ON gaps (instance, from_at);

CREATE TABLE quarantine (
  number   BIGINT PRIMARY KEY,
  instance TEXT NOT NULL,
  received BIGINT NOT NULL,
  kind     TEXT NOT NULL,
  reason   TEXT NOT NULL,
  origin   TEXT NOT NULL,
  bytes    BYTEA NOT NULL
);
CREATE INDEX quarantine_received ON quarantine (received);

-- The texts of policies by digest, so that a verdict can be made again.
CREATE TABLE policy_texts (
  digest TEXT PRIMARY KEY,
  body   BYTEA NOT NULL
);
