-- Who changed those last that fail now?
SELECT c.resource_id, arg_max(e.actor_id, e.number) AS actor_id, strftime(max(e.time), '%Y-%m-%d') AS day
FROM compliance c
JOIN (SELECT *, unnest(targets) AS t FROM events) e ON e.t.resource_type = c.resource_type AND e.t.resource_id = c.resource_id
WHERE c.outcome = 'NON_COMPLIANT'
GROUP BY c.resource_id ORDER BY c.resource_id LIMIT 20
