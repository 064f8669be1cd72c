-- What came, went, changed and stayed since a time?
SELECT count(*) FILTER (a.resource_id IS NULL) AS came, count(*) FILTER (b.resource_id IS NULL) AS went,
  count(*) FILTER (a.content_sha256 <> b.content_sha256) AS changed, count(*) FILTER (a.content_sha256 = b.content_sha256) AS same
FROM resources_at('2023-01-01') a
FULL JOIN resources b USING (account_id, region, resource_type, resource_id)
