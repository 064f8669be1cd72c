-- How many namespaces have an owner now?
SELECT outcome, count(*) AS n
FROM compliance WHERE policy = 'compliance.kubernetes.owner'
GROUP BY outcome ORDER BY outcome
