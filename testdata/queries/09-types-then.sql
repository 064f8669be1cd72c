-- What was there at a time?
SELECT resource_type, count(*) AS n FROM resources_at('2023-01-01') GROUP BY ALL ORDER BY n DESC, resource_type LIMIT 10
