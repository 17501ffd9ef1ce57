-- Endings under their epochs, and in the same statement the settlement of their last attempts under any epoch (as in
-- settle.sql, whose parameters come first). Answers with the requests that this statement ended.
WITH settled AS (
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
        detail = ended.detail
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::numeric[], $10::text[], $11::text[], $12::integer[], $13::text[]
    ) AS ended (
        attempt_id, outcome, response_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_usd, price_version, finish_reason, latency_ms, detail
    )
    WHERE attempt.attempt_id = ended.attempt_id AND (attempt.outcome IS NULL OR attempt.outcome = 'unknown')
)
UPDATE ai_requests AS held
SET state = ending.state,
    outbox = ending.outbox,
    cached_from = ending.cached_from,
    saved_usd = ending.saved_usd,
    ended_at = statement_timestamp(),
    updated_at = statement_timestamp()
FROM unnest($14::uuid[], $15::bigint[], $16::text[], $17::text[], $18::text[], $19::numeric[])
AS ending (request_key, epoch, state, outbox, cached_from, saved_usd)
WHERE held.request_key = ending.request_key AND held.epoch = ending.epoch AND held.ended_at IS NULL
RETURNING held.request_key
