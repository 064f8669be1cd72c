SELECT DISTINCT c.policy, c.resource_id, e.action, e.actor_id, e.time
FROM compliance c
JOIN (SELECT *, unnest(targets) AS target FROM events) e
  ON e.target.resource_type = c.resource_type AND e.target.resource_id = c.resource_id
WHERE c.outcome = 'NON_COMPLIANT' AND c.resource_type = 'AWS::S3::Bucket' AND e.time >= '2026-02-23'
ORDER BY e.time DESC
