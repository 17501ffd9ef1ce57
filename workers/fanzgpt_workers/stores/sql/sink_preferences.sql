-- Preferences, each key to its last writer by (version, event id); follows sink_gate.sql.
-- $6 the users, each once and sorted; $7.. the rows. A row is new if it became the last writer of any key.
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
latest AS (
    SELECT DISTINCT ON (given.user_key, preference.key)
        given.user_key, preference.key, given.version, given.event_id, preference.value
    FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::bigint[])
    AS given (event_id, user_key, preferences, version),
    jsonb_each(given.preferences::jsonb) AS preference
    WHERE (SELECT yes FROM go)
    ORDER BY given.user_key, preference.key, given.version DESC, given.event_id DESC
),
-- The versions' rows make writers of the same key follow one another, before any of them touches the user.
fresh AS (
    INSERT INTO ai_preference_versions AS held (user_id, key, version, event_id, value)
    SELECT user_key, key, version, event_id, value FROM latest
    ON CONFLICT (user_id, key) DO UPDATE
    SET version = excluded.version, event_id = excluded.event_id, value = excluded.value
    WHERE (excluded.version, excluded.event_id) > (held.version, held.event_id)
    RETURNING user_id, key, value, event_id
),
changed AS (
    UPDATE users AS person
    SET ai_preferences
        = CASE WHEN jsonb_typeof(person.ai_preferences) = 'object' THEN person.ai_preferences ELSE '{}' END
        || change.preferences
    -- Once a statement and in the order of their ids, as in sink_history.sql.
    FROM (
        SELECT user_id, jsonb_object_agg(key, value) AS preferences FROM fresh GROUP BY user_id ORDER BY user_id
    ) AS change
    WHERE person.id = change.user_id
)
SELECT gate.*, go.yes AS stored, (SELECT count(DISTINCT event_id) FROM fresh) AS new FROM gate, go
