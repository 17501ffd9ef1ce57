-- Attempt rows for the requests that are still their owner's; answers with these requests only. The arrays are sorted
-- by request and hold none twice. The request's row stays locked to the end, so that a takeover sees either no
-- attempt or this one.
WITH owned AS (
    UPDATE ai_requests AS held
    SET updated_at = statement_timestamp()
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[]
    ) AS wanted (attempt_id, request_key, epoch, ordinal, provider, model, cause)
    WHERE held.request_key = wanted.request_key AND held.epoch = wanted.epoch AND held.ended_at IS NULL
    RETURNING wanted.*
),
started AS (
    INSERT INTO ai_attempts (attempt_id, request_key, ordinal, epoch, provider, model, cause, started_at)
    SELECT attempt_id, request_key, ordinal, epoch, provider, model, cause, statement_timestamp()
    FROM owned
    ON CONFLICT (attempt_id) DO NOTHING
)
SELECT request_key FROM owned
