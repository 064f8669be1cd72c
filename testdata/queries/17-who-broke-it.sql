-- Whose changes made resources fail?
SELECT actor_id, count(*) AS n FROM causes WHERE step = 'opened' GROUP BY actor_id ORDER BY n DESC, actor_id LIMIT 10
