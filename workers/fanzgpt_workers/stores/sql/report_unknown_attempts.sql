-- Calls whose outcome nobody knows, newest first: hidden by a crash, or under way for longer than any call takes.
SELECT
    held.request_id, held.user_id, held.state, attempt.attempt_id, attempt.ordinal, attempt.epoch AS attempt_epoch,
    attempt.provider, attempt.model, attempt.cause, attempt.started_at, attempt.ended_at AS attempt_ended_at,
    attempt.outcome, attempt.response_id, attempt.input_tokens, attempt.output_tokens, attempt.cost_usd,
    attempt.price_version, attempt.finish_reason, attempt.latency_ms, attempt.detail
FROM ai_attempts AS attempt
JOIN ai_requests AS held ON held.request_key = attempt.request_key
WHERE
    attempt.outcome = 'unknown'
    OR (attempt.outcome IS NULL AND attempt.started_at < statement_timestamp() - make_interval(secs => $1))
ORDER BY attempt.started_at DESC
LIMIT $2
