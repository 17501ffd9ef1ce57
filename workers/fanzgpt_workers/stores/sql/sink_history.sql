-- History rows and the statistics of their users; follows sink_gate.sql.
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
    INSERT INTO ai_generation_history (id, user_id, generation_type, input_data, output_data, metadata, created_at)
    SELECT event_id, user_key, generation_type, input_data::jsonb, output_data::jsonb, metadata::jsonb, created_at
    FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
    AS given (event_id, user_key, generation_type, input_data, output_data, metadata, created_at)
    WHERE (SELECT yes FROM go)
    ON CONFLICT (id) DO NOTHING
    RETURNING user_id, created_at
),
tally AS (
    -- RFC 3339 of one width, so that the order of the texts is the order of the times.
    SELECT
        user_id,
        count(*) AS generations,
        to_char(max(created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') COLLATE "C" AS latest
    FROM fresh
    GROUP BY user_id
    ORDER BY user_id
),
-- Users are touched once a statement and in the order of their ids: locking them first and updating them afterwards
-- meets their old versions twice, and deadlocks with others who wait for these.
-- Others write to this column too; whatever of it is not of our shape is replaced, never an error.
counted AS (
    UPDATE users AS person
    SET ai_usage_stats
        = CASE WHEN jsonb_typeof(person.ai_usage_stats) = 'object' THEN person.ai_usage_stats ELSE '{}' END
        || jsonb_build_object(
            'total_generations',
            tally.generations + CASE
                WHEN jsonb_typeof(person.ai_usage_stats -> 'total_generations') = 'number'
                    THEN (person.ai_usage_stats ->> 'total_generations')::numeric
                ELSE 0
            END,
            'last_generation',
            CASE
                WHEN person.ai_usage_stats ->> 'last_generation' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$'
                    THEN greatest(person.ai_usage_stats ->> 'last_generation', tally.latest)
                ELSE tally.latest
            END
        )
    FROM tally
    WHERE person.id = tally.user_id
)
SELECT gate.*, go.yes AS stored, (SELECT count(*) FROM fresh) AS new FROM gate, go
