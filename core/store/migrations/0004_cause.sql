-- What changed findings. resource is that of the finding, watched the one whose events may tell who did
-- it, 0 where events have no part in it. due is when it is to be looked at again, 0 once it is settled; marks
-- counts the events that made it due, so that one that comes during a look is not lost.
CREATE TABLE causes (
  id       BIGINT PRIMARY KEY,
  finding  TEXT NOT NULL,
  resource BIGINT NOT NULL,
  watched  BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  marks    BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX causes_by_resource ON causes (resource, id);
CREATE INDEX causes_due ON causes (due) WHERE due > 0;
CREATE INDEX causes_by_watched ON causes (watched) WHERE due > 0;

-- The resources on which events are waited for, and of which time.
CREATE TABLE cause_watches (
  watched BIGINT PRIMARY KEY REFERENCES resources (id),
  from_at BIGINT NOT NULL,
  to_at   BIGINT NOT NULL,
  until   BIGINT NOT NULL
);
CREATE INDEX cause_watches_until ON cause_watches (until);

-- The revisions of causes, until they are drained.
CREATE TABLE cause_history (
  number   BIGINT PRIMARY KEY,
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  body     BYTEA NOT NULL
);

-- The deliveries that told of a change before anybody knew who had made it.
CREATE TABLE cause_told (
  cause    BIGINT NOT NULL,
  route    TEXT NOT NULL,
  name     TEXT NOT NULL,
  instance TEXT NOT NULL,
  delivery TEXT NOT NULL,
  PRIMARY KEY (cause, route, instance)
);
