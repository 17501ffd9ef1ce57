-- What stands against the endings that were not saved.
SELECT held.request_key, held.epoch, held.state, held.outbox
FROM ai_requests AS held
WHERE held.request_key = ANY ($1::uuid[])
