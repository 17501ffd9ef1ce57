-- The batch whose next look is longest due, for so many seconds this caller's alone.
WITH due AS (
    SELECT batch_key
    FROM ai_batches
    WHERE over_at IS NULL AND look_at <= clock_timestamp() AND provider = ANY ($1::text[])
    ORDER BY look_at
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE ai_batches AS batch
SET look_at = clock_timestamp() + make_interval(secs => $2::double precision)
FROM due
WHERE batch.batch_key = due.batch_key
RETURNING
    batch.*, (SELECT min(held.deadline) FROM ai_batch_calls AS held WHERE held.batch_key = batch.batch_key) AS first_deadline
