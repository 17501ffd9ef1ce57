-- Providers and models for which enough waits, or for long enough.
SELECT provider, model
FROM ai_batch_calls
WHERE batch_key IS NULL AND NOT returned AND provider = ANY ($1::text[])
GROUP BY provider, model
HAVING
    min(gathered_at) <= clock_timestamp() - $2::interval
    OR count(*) >= $3::bigint
    OR sum(octet_length(request)) >= $4::bigint
ORDER BY min(gathered_at)
