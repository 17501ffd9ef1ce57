-- Remove one batch of requests that ended and were published before the cutoff, with their attempts. What was never
-- published stays, for whoever meets its record again has to publish it.
WITH old AS (
    SELECT request_key
    FROM ai_requests
    WHERE created_at < $1 AND ended_at < $1 AND published_at IS NOT NULL
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
attempts AS (
    DELETE FROM ai_attempts AS attempt USING old WHERE attempt.request_key = old.request_key
)
DELETE FROM ai_requests AS held USING old WHERE held.request_key = old.request_key
