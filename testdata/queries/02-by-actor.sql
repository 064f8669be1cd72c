-- What did one actor do?
SELECT action, count(*) AS n
FROM events WHERE actor_id = '844d10e789e4' AND source = 'git'
GROUP BY action ORDER BY action
