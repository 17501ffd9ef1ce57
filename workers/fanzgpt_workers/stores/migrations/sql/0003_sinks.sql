-- Where each sink stands in each partition, advanced in the transaction that stores the rows.
CREATE TABLE IF NOT EXISTS ai_sink_offsets (
    group_name TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT,             -- null: the row was made to be locked, and nothing has been stored yet
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);

-- Who wrote each key of users.ai_preferences last, and what: the highest (version, event_id) stands, whatever came when.
CREATE TABLE IF NOT EXISTS ai_preference_versions (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    version BIGINT NOT NULL,
    event_id UUID NOT NULL,
    value JSONB NOT NULL,
    PRIMARY KEY (user_id, key)
) WITH (fillfactor = 70);

-- The ids of users that a sink created, as the events had them; users.id is derived from it where it is no UUID.
CREATE TABLE IF NOT EXISTS ai_user_ids (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    original_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
