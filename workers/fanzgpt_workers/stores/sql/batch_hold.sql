-- Requests that wait for a batch from now on. One that waits already keeps its place. The arrays are sorted by request.
INSERT INTO ai_batch_calls AS held (
    request_key, epoch, term, provider, model, request, origin_topic, origin_partition, origin_offset, stated_at_ms,
    traceparent, deadline
)
SELECT *
FROM unnest(
    $1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
    $10::bigint[], $11::text[], $12::timestamptz[]
)
ON CONFLICT (request_key) DO UPDATE SET epoch = excluded.epoch, term = excluded.term
