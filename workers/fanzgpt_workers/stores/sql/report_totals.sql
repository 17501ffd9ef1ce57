-- Calls and money by group, for the attempts that started in the window, and what answers from the cache saved in it.
-- $1 names the group; an answer that was not called for has no provider, model, cause or outcome of its own.
WITH calls AS (
    SELECT
        CASE $1
            WHEN 'provider' THEN attempt.provider
            WHEN 'model' THEN attempt.provider || '/' || attempt.model
            WHEN 'type' THEN held.generation_type
            WHEN 'user' THEN held.user_id
            WHEN 'cause' THEN attempt.cause
            WHEN 'outcome' THEN coalesce(attempt.outcome, 'under way')
            WHEN 'day' THEN to_char(attempt.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS "group",
        count(DISTINCT attempt.request_key) AS requests,
        count(*) AS attempts,
        count(*) FILTER (WHERE attempt.outcome = 'ok') AS answered,
        count(*) FILTER (WHERE attempt.outcome = 'unknown') AS unknown,
        count(*) FILTER (WHERE attempt.outcome IS NULL) AS under_way,
        sum(attempt.input_tokens) AS input_tokens,
        sum(attempt.output_tokens) AS output_tokens,
        sum(attempt.cost_usd) AS cost_usd,
        count(*) FILTER (WHERE attempt.input_tokens IS NOT NULL AND attempt.cost_usd IS NULL) AS unpriced
    FROM ai_attempts AS attempt
    JOIN ai_requests AS held ON held.request_key = attempt.request_key
    WHERE
        attempt.started_at >= coalesce($2::timestamptz, '-infinity')
        AND attempt.started_at < coalesce($3::timestamptz, 'infinity')
    GROUP BY 1
),
shared AS (
    SELECT
        CASE $1
            WHEN 'type' THEN held.generation_type
            WHEN 'user' THEN held.user_id
            WHEN 'day' THEN to_char(held.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS "group",
        count(*) AS cached,
        sum(held.saved_usd) AS saved_usd
    FROM ai_requests AS held
    WHERE
        held.cached_from IS NOT NULL
        AND $1 IN ('all', 'type', 'user', 'day')
        AND held.ended_at >= coalesce($2::timestamptz, '-infinity')
        AND held.ended_at < coalesce($3::timestamptz, 'infinity')
    GROUP BY 1
)
SELECT
    "group",
    coalesce(calls.requests, 0) AS requests,
    coalesce(calls.attempts, 0) AS attempts,
    coalesce(calls.answered, 0) AS answered,
    coalesce(calls.unknown, 0) AS unknown,
    coalesce(calls.under_way, 0) AS under_way,
    coalesce(calls.input_tokens, 0)::bigint AS input_tokens,
    coalesce(calls.output_tokens, 0)::bigint AS output_tokens,
    coalesce(calls.cost_usd, 0) AS cost_usd,
    coalesce(calls.unpriced, 0) AS unpriced,
    coalesce(shared.cached, 0) AS cached,
    coalesce(shared.saved_usd, 0) AS saved_usd
FROM calls
FULL JOIN shared USING ("group")
ORDER BY 1
