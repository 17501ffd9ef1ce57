-- The earlier owners' attempts of requests that were taken over; those still open become `unknown`.
-- No attempt of an earlier epoch can be started any more, so nothing is missed.
WITH taken AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS taken (request_key, epoch)
),
-- Every statement locks attempts in the order of their ids, so that no two wait for each other.
abandoned AS (
    SELECT attempt.attempt_id
    FROM taken
    JOIN ai_attempts AS attempt ON attempt.request_key = taken.request_key AND attempt.epoch < taken.epoch
    WHERE attempt.outcome IS NULL
    ORDER BY attempt.attempt_id
    FOR NO KEY UPDATE OF attempt
),
marked AS (
    UPDATE ai_attempts AS attempt
    SET outcome = 'unknown', ended_at = statement_timestamp()
    FROM abandoned
    WHERE attempt.attempt_id = abandoned.attempt_id AND attempt.outcome IS NULL
)
SELECT
    attempt.request_key,
    attempt.attempt_id,
    attempt.ordinal,
    attempt.provider,
    attempt.model,
    coalesce(attempt.outcome, 'unknown') AS outcome,
    attempt.started_at
FROM taken
JOIN ai_attempts AS attempt ON attempt.request_key = taken.request_key AND attempt.epoch < taken.epoch
ORDER BY attempt.request_key, attempt.ordinal, attempt.attempt_id
