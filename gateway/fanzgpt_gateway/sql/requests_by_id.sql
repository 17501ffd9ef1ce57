-- Requests of an id, whoever's they are: two are enough to know that the id alone does not tell.
SELECT
    user_id, generation_type, state, created_at, ended_at, outbox, NULL AS input_data, NULL AS output_data,
    NULL AS metadata
FROM ai_requests
WHERE request_id = $1
ORDER BY created_at
LIMIT 2
