-- Of the requests at or above each partition's position: how many have their ending, how many have not, and since when
-- the oldest of those. Requests older than the oldest record at a position ($4) cannot be among them; $4 lets the index
-- on created_at leave the past alone.
SELECT
    standing.topic,
    standing.partition,
    count(held.request_key) FILTER (WHERE held.state <> 'claimed') AS ended,
    count(held.request_key) FILTER (WHERE held.state = 'claimed') AS in_flight,
    extract(EPOCH FROM now() - min(held.created_at) FILTER (WHERE held.state = 'claimed'))::float8 AS oldest_seconds
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS standing (topic, partition, position)
LEFT JOIN ai_requests AS held
    ON held.created_at >= $4
    AND held.origin_topic = standing.topic
    AND held.origin_partition = standing.partition
    AND held.origin_offset >= standing.position
GROUP BY standing.topic, standing.partition
