-- On which days was most done?
SELECT strftime(time, '%Y-%m-%d') AS day, count(*) AS n
FROM events WHERE source = 'git'
GROUP BY day ORDER BY n DESC, day LIMIT 5
