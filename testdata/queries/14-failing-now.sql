-- Since when do those fail that fail now?
SELECT resource_id, strftime(max(v.time), '%Y-%m-%d') AS since
FROM (SELECT *, lag(outcome) OVER (PARTITION BY policy, account_id, region, resource_type, resource_id ORDER BY number) AS was FROM verdicts) v
SEMI JOIN (FROM compliance WHERE outcome = 'NON_COMPLIANT') c USING (policy, account_id, region, resource_type, resource_id)
WHERE v.outcome = 'NON_COMPLIANT' AND v.was IS DISTINCT FROM 'NON_COMPLIANT'
GROUP BY resource_id ORDER BY resource_id LIMIT 20
