-- Who changed most?
SELECT actor_id, count(*) AS n
FROM events WHERE source = 'git'
GROUP BY actor_id ORDER BY n DESC, actor_id LIMIT 10
