-- What is deleted most?
SELECT t.resource_type, count(*) AS n
FROM events e, unnest(e.targets) AS u(t) WHERE e.action = 'k8s:delete'
GROUP BY ALL ORDER BY n DESC, t.resource_type LIMIT 10
