-- Analytics rows; follows sink_gate.sql.
-- $6 the users, each once and sorted; $7.. the rows.
go AS MATERIALIZED (
    SELECT
        known
        AND as_expected
        AND (SELECT count(*) FROM users WHERE id = ANY ($6::uuid[])) = cardinality($6::uuid[]) AS yes
    FROM gate
),
moved AS (
    UPDATE ai_sink_offsets AS held
    SET next_offset = standing.wanted, updated_at = statement_timestamp()
    FROM standing
    WHERE
        held.group_name = $1 AND held.topic = standing.topic AND held.partition = standing.partition
        AND (SELECT yes FROM go)
),
fresh AS (
    INSERT INTO ai_analytics (id, user_id, event_type, event_data, timestamp)
    SELECT event_id, user_key, event_type, event_data::jsonb, happened_at
    FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::timestamptz[])
    AS given (event_id, user_key, event_type, event_data, happened_at)
    WHERE (SELECT yes FROM go)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT gate.*, go.yes AS stored, (SELECT count(*) FROM fresh) AS new FROM gate, go
