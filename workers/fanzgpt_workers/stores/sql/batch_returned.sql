-- Calls to make by themselves: those that still wait though their deadline is near, or for a provider whose batches are
-- used no more ($4: those that are), and those that were given back and that nobody makes. For so many seconds they are
-- this caller's alone.
WITH due AS (
    SELECT request_key
    FROM ai_batch_calls
    WHERE
        batch_key IS NULL
        AND (
            (returned AND look_at <= clock_timestamp())
            OR (NOT returned AND (deadline <= clock_timestamp() + $1::interval OR provider <> ALL ($4::text[])))
        )
    ORDER BY deadline NULLS LAST
    LIMIT $3
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE ai_batch_calls AS held
SET returned = TRUE, look_at = clock_timestamp() + make_interval(secs => $2::double precision)
FROM due
WHERE held.request_key = due.request_key
RETURNING held.*
