-- What stands against the claims that were not granted.
SELECT
    held.request_key,
    held.fingerprint,
    held.outbox,
    greatest(extract(epoch FROM clock_timestamp() - held.updated_at), 0)::double precision AS idle_seconds
FROM ai_requests AS held
WHERE held.request_key = ANY ($1::uuid[])
