-- How often was it mended by who had broken it, and how often by another?
SELECT count(*) FILTER (EXISTS (SELECT 1 FROM causes o WHERE o.finding = r.finding AND o.step = 'opened' AND o.actor_id = r.actor_id)) AS same,
  count(*) FILTER (NOT EXISTS (SELECT 1 FROM causes o WHERE o.finding = r.finding AND o.step = 'opened' AND o.actor_id = r.actor_id)) AS another
FROM causes r WHERE r.step = 'resolved'
