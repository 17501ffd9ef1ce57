-- How every sink's statement begins: whether each partition stands where the sink expects it, under a lock.
-- $1 group, $2 topics, $3 partitions, $4 expected offsets (null: nothing stored yet), $5 offsets to stand at afterwards.
-- What follows writes only if everything agrees, so that one statement is all or nothing without further round trips.
WITH steps AS (
    SELECT * FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
    AS steps (topic, partition, expected, next_offset)
),
standing AS MATERIALIZED (
    SELECT held.topic, held.partition, held.next_offset, steps.expected, steps.next_offset AS wanted
    FROM steps
    JOIN ai_sink_offsets AS held
        ON held.group_name = $1 AND held.topic = steps.topic AND held.partition = steps.partition
    ORDER BY held.topic, held.partition
    FOR NO KEY UPDATE OF held
),
gate AS MATERIALIZED (
    SELECT
        count(*) = cardinality($2::text[]) AS known,
        coalesce(bool_and(next_offset IS NOT DISTINCT FROM expected), TRUE) AS as_expected,
        coalesce(bool_and(next_offset IS NOT DISTINCT FROM wanted), FALSE) AS as_wanted
    FROM standing
),
