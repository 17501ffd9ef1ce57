-- What became of a dead letter. The topic is append-only and forgets after 30 days: this is the memory of people, by the
-- letter's event id, which is the same for every copy of the letter. A letter without a row is open.
CREATE TABLE IF NOT EXISTS ai_dead_letter_resolutions (
    letter_id UUID PRIMARY KEY,
    resolution TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    note TEXT,
    resolved_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ai_dead_letter_resolutions_resolution CHECK (resolution IN ('redriven', 'discarded'))
);
