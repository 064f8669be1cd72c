-- Who changes most of what fails now?
SELECT e.actor_id, count(*) AS n
FROM compliance c
JOIN (SELECT *, unnest(targets) AS t FROM events) e ON e.t.resource_type = c.resource_type AND e.t.resource_id = c.resource_id
WHERE c.outcome = 'NON_COMPLIANT'
GROUP BY e.actor_id ORDER BY n DESC, e.actor_id LIMIT 10
