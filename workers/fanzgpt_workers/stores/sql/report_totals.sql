-- Calls and money by group, for the attempts that started in the window. $1 names the group.
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
    coalesce(sum(attempt.input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(attempt.output_tokens), 0)::bigint AS output_tokens,
    coalesce(sum(attempt.cost_usd), 0) AS cost_usd,
    count(*) FILTER (WHERE attempt.input_tokens IS NOT NULL AND attempt.cost_usd IS NULL) AS unpriced
FROM ai_attempts AS attempt
JOIN ai_requests AS held ON held.request_key = attempt.request_key
WHERE
    attempt.started_at >= coalesce($2::timestamptz, '-infinity')
    AND attempt.started_at < coalesce($3::timestamptz, 'infinity')
GROUP BY 1
ORDER BY 1
