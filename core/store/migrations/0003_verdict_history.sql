-- What came to be said of resources: one row for the verdicts that changed together, as verdicts.body has
-- them. number is that of the first, the others follow; version is the item version that was judged.
CREATE TABLE verdict_changes (
  number   BIGINT PRIMARY KEY,
  resource BIGINT NOT NULL REFERENCES resources (id),
  at       BIGINT NOT NULL,
  received BIGINT NOT NULL,
  version  BIGINT NOT NULL,
  count    BIGINT NOT NULL,
  body     BYTEA NOT NULL
);
CREATE INDEX verdict_changes_by_resource ON verdict_changes (resource, number);
CREATE INDEX verdict_changes_received ON verdict_changes (received);
