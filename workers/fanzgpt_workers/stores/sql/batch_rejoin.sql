-- Of requests that have come again, those that wait: their new owner's epoch and term hold from now on.
UPDATE ai_batch_calls AS held
SET epoch = again.epoch, term = again.term
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS again (request_key, epoch, term)
WHERE held.request_key = again.request_key
RETURNING held.request_key
