-- What was done to one resource?
SELECT strftime(e.time, '%Y-%m-%d') AS day, e.action, e.actor_id
FROM events e, unnest(e.targets) AS u(t)
WHERE t.resource_type = 'Kubernetes::Core::Namespace' AND t.resource_id = 'abundant-namespace-dev'
ORDER BY e.number
