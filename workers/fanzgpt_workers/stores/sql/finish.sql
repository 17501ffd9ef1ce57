-- Endings under their epochs; follows finish_settled.sql or settle_budgeted.sql, whose parameters come first. Answers with
-- the requests that this statement ended.
UPDATE ai_requests AS held
SET state = ending.state,
    outbox = ending.outbox,
    cached_from = ending.cached_from,
    saved_usd = ending.saved_usd,
    ended_at = statement_timestamp(),
    updated_at = statement_timestamp()
FROM unnest($15::uuid[], $16::bigint[], $17::text[], $18::text[], $19::text[], $20::numeric[])
AS ending (request_key, epoch, state, outbox, cached_from, saved_usd)
WHERE held.request_key = ending.request_key AND held.epoch = ending.epoch AND held.ended_at IS NULL
RETURNING held.request_key
