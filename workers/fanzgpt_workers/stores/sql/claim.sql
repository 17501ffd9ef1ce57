-- Take requests into ownership: new ones, and those that may be taken over. Answers only for these; what stands
-- against the others is read afterwards (claim_standing.sql). The arrays are sorted by key and hold no key twice.
INSERT INTO ai_requests AS held (
    request_key, request_id, user_id, user_key, generation_type, fingerprint, owner, owner_order, term, epoch,
    origin_topic, origin_partition, origin_offset, conversation_id, deadline, created_at, updated_at
)
SELECT
    wanted.request_key, wanted.request_id, wanted.user_id, wanted.user_key, wanted.generation_type,
    wanted.fingerprint, wanted.owner, $14, wanted.term, 1, wanted.origin_topic, wanted.origin_partition, wanted.origin_offset,
    wanted.conversation_id, wanted.deadline, statement_timestamp(), statement_timestamp()
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bytea[], $7::uuid[],
    $8::text[], $9::integer[], $10::bigint[], $11::text[], $12::timestamptz[], $13::bigint[]
) AS wanted (
    request_key, request_id, user_id, user_key, generation_type, fingerprint, owner,
    origin_topic, origin_partition, origin_offset, conversation_id, deadline, term
)
ON CONFLICT (request_key) DO UPDATE SET
    owner = excluded.owner,
    owner_order = excluded.owner_order,
    term = excluded.term,
    epoch = held.epoch + 1,
    origin_topic = excluded.origin_topic,
    origin_partition = excluded.origin_partition,
    origin_offset = excluded.origin_offset,
    updated_at = excluded.updated_at
WHERE
    held.ended_at IS NULL
    AND held.fingerprint = excluded.fingerprint
    AND (
        -- A term that is lower is of a worker that has lost the partition and not heard of it yet.
        (
            (held.origin_topic, held.origin_partition, held.origin_offset)
            = (excluded.origin_topic, excluded.origin_partition, excluded.origin_offset)
            AND held.term <= excluded.term
        )
        -- Terms begin anew with a group that was deleted; then, as for another origin, the owner's silence decides.
        OR held.updated_at < excluded.updated_at - make_interval(secs => $15::double precision)
    )
    -- A claim whose connection broke may reach the table after its own repetition: then it must not do anything.
    AND NOT (held.owner = excluded.owner AND held.owner_order >= excluded.owner_order)
RETURNING request_key, epoch
