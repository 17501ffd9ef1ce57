-- The sinks' rows: each has the id of the event it was made of.
SELECT 'ai_generation_history' AS table_name, id, created_at AS at FROM ai_generation_history WHERE id = ANY($1::uuid[])
UNION ALL
SELECT 'ai_analytics', id, timestamp FROM ai_analytics WHERE id = ANY($1::uuid[])
