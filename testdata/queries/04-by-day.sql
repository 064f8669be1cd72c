-- What was done on one day?
SELECT t.resource_type, e.action, count(*) AS n
FROM events e, unnest(e.targets) AS u(t)
WHERE e.time >= '2022-03-01' AND e.time < '2022-03-02' AND e.source = 'git'
GROUP BY ALL ORDER BY ALL
