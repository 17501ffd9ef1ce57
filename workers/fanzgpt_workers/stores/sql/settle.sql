-- What became of attempts, under any epoch: a known outcome is never replaced. The arrays are sorted by attempt and
-- hold none twice.
UPDATE ai_attempts AS attempt
SET outcome = ended.outcome,
    ended_at = statement_timestamp(),
    response_id = ended.response_id,
    input_tokens = ended.input_tokens,
    output_tokens = ended.output_tokens,
    cache_read_tokens = ended.cache_read_tokens,
    cache_write_tokens = ended.cache_write_tokens,
    reasoning_tokens = ended.reasoning_tokens,
    cost_usd = ended.cost_usd,
    price_version = ended.price_version,
    finish_reason = ended.finish_reason,
    latency_ms = ended.latency_ms,
    detail = ended.detail,
    usage_details = ended.usage_details::jsonb
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::numeric[], $10::text[], $11::text[], $12::integer[], $13::text[], $14::text[]
) AS ended (
    attempt_id, outcome, response_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, cost_usd, price_version, finish_reason, latency_ms, detail, usage_details
)
WHERE attempt.attempt_id = ended.attempt_id AND (attempt.outcome IS NULL OR attempt.outcome = 'unknown')
