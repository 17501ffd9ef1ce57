-- Who has waited longest for this provider and model, and is nobody else's to gather.
SELECT request_key, deadline, octet_length(request) AS bytes
FROM ai_batch_calls
WHERE provider = $1 AND model = $2 AND batch_key IS NULL AND NOT returned
ORDER BY gathered_at, request_key
LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED
