-- A row for each budget that nothing was ever held in, so that there is something to lock.
INSERT INTO ai_budgets (scope, begins_at)
SELECT scope, begins_at FROM unnest($1::text[], $2::timestamptz[]) AS met (scope, begins_at)
ORDER BY scope, begins_at
ON CONFLICT DO NOTHING
