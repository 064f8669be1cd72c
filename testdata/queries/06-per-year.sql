-- How much was made, changed and deleted each year?
SELECT year(time) AS year, count(*) FILTER (action = 'k8s:create') AS creates,
  count(*) FILTER (action = 'k8s:update') AS updates, count(*) FILTER (action = 'k8s:delete') AS deletes
FROM events WHERE source = 'git'
GROUP BY year ORDER BY year
