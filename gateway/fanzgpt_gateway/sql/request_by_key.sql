-- One user's request: from the ledger, or, once the ledger has forgotten it, from its history row.
-- $1 the request's key, $2 the id of its completed event, which is its history row's.
SELECT generation_type, state, created_at, ended_at, outbox, NULL AS input_data, NULL AS output_data, NULL AS metadata
FROM ai_requests
WHERE request_key = $1
UNION ALL
SELECT
    generation_type, 'completed', created_at, created_at, NULL, input_data::text, output_data::text, metadata::text
FROM ai_generation_history
WHERE id = $2 AND NOT EXISTS (SELECT FROM ai_requests WHERE request_key = $1)
LIMIT 1
