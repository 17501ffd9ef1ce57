-- Every request of this id (two users may use the same one) with its attempts; requests without any appear once.
SELECT
    held.request_key, held.request_id, held.user_id, held.generation_type, held.state, held.owner, held.epoch,
    held.origin_topic, held.origin_partition, held.origin_offset, held.conversation_id, held.deadline, held.outbox,
    held.created_at, held.updated_at, held.ended_at, held.published_at, held.cached_from, held.saved_usd,
    attempt.attempt_id, attempt.ordinal, attempt.epoch AS attempt_epoch, attempt.provider, attempt.model,
    attempt.cause, attempt.started_at, attempt.ended_at AS attempt_ended_at, attempt.outcome, attempt.response_id,
    attempt.input_tokens, attempt.output_tokens, attempt.cost_usd, attempt.price_version, attempt.finish_reason,
    attempt.latency_ms, attempt.detail
FROM ai_requests AS held
LEFT JOIN ai_attempts AS attempt ON attempt.request_key = held.request_key
WHERE held.request_id = $1
ORDER BY held.created_at, held.request_key, attempt.ordinal, attempt.started_at
