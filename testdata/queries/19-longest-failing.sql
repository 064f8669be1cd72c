-- What failed longest before it was mended?
SELECT resource_id, floor((epoch(ended) - epoch(time)) / 86400)::BIGINT AS days
FROM (
  SELECT *, lead(time) OVER (PARTITION BY resource_id ORDER BY number) AS ended
  FROM (SELECT *, outcome = 'NON_COMPLIANT' AS bad, coalesce(lag(outcome) OVER (PARTITION BY resource_id ORDER BY number) = 'NON_COMPLIANT', false) AS was FROM verdicts)
  WHERE bad <> was
)
WHERE bad AND ended IS NOT NULL
ORDER BY days DESC, resource_id LIMIT 10
