-- Requests of the half-price lane whose records are done and whose endings are still to come, by where they wait.
SELECT
    provider,
    model,
    CASE WHEN returned THEN 'alone' WHEN batch_key IS NULL THEN 'gathered' ELSE 'batched' END AS place,
    count(*) AS requests,
    extract(EPOCH FROM now() - min(gathered_at))::float8 AS oldest_seconds,
    min(deadline) AS first_deadline
FROM ai_batch_calls
WHERE NOT ended
GROUP BY provider, model, place
ORDER BY provider, model, place
