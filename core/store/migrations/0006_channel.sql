-- How far each snapshot, history and trail has come. position is the number of the last version or event
-- that is in its bucket, due when it is to run again; body is the channel's own.
CREATE TABLE channels (
  name     TEXT PRIMARY KEY,
  position BIGINT NOT NULL,
  due      BIGINT NOT NULL,
  body     BYTEA NOT NULL
);

-- The files of the run that is under way and not yet in the bucket.
CREATE TABLE channel_files (
  channel TEXT NOT NULL,
  place   INTEGER NOT NULL,
  body    BYTEA NOT NULL,
  PRIMARY KEY (channel, place)
);
