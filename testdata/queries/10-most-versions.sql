-- Which resources change most?
SELECT resource_type, resource_id, count(*) AS n
FROM configuration_items GROUP BY ALL ORDER BY n DESC, resource_type, resource_id LIMIT 10
