-- What is there now?
SELECT resource_type, count(*) AS n FROM resources GROUP BY ALL ORDER BY n DESC, resource_type LIMIT 10
