-- How many had one at a time?
SELECT outcome, count(*) AS n
FROM compliance_at('2023-01-01') WHERE policy = 'compliance.kubernetes.owner' AND outcome <> 'NOT_APPLICABLE'
GROUP BY outcome ORDER BY outcome
