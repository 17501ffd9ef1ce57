-- The next attempts that have tokens, in the order of their ids, from $1 (excluded) on; at most $4 of them.
SELECT
    attempt_id, provider, model, started_at, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, usage_details::text AS usage_details, cost_usd, price_version
FROM ai_attempts
WHERE
    attempt_id > $1
    AND input_tokens IS NOT NULL
    AND started_at >= coalesce($2::timestamptz, '-infinity')
    AND started_at < coalesce($3::timestamptz, 'infinity')
ORDER BY attempt_id
LIMIT $4
