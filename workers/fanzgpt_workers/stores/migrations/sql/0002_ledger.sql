-- One row a request. No index holds a column that changes, and pages keep room, so that every change of state is a
-- heap-only update.
CREATE TABLE IF NOT EXISTS ai_requests (
    request_key UUID PRIMARY KEY,
    request_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_key UUID NOT NULL,
    generation_type TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    state TEXT NOT NULL DEFAULT 'claimed',
    owner UUID NOT NULL,
    owner_order BIGINT NOT NULL,    -- of the owner's claims of this request: a claim that was overtaken does nothing
    epoch BIGINT NOT NULL,
    origin_topic TEXT NOT NULL,
    origin_partition INTEGER NOT NULL,
    origin_offset BIGINT NOT NULL,
    conversation_id TEXT,
    deadline TIMESTAMPTZ,
    outbox TEXT,                    -- the events of the ending, to the byte; TEXT because JSONB would rewrite them
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,
    published_at TIMESTAMPTZ,
    CONSTRAINT ai_requests_state CHECK (state IN ('claimed', 'completed', 'failed', 'rejected', 'expired', 'cancelled')),
    CONSTRAINT ai_requests_ending CHECK ((state = 'claimed') = (ended_at IS NULL) AND (ended_at IS NULL) = (outbox IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS idx_ai_requests_request_id ON ai_requests (request_id);
CREATE INDEX IF NOT EXISTS idx_ai_requests_created_at ON ai_requests USING brin (created_at) WITH (autosummarize = on);

-- One row a provider call, written before its first byte leaves. There is no foreign key: rows are inserted only by a
-- statement that holds the request's row, and pruned together with it; a trigger per call would only cost.
CREATE TABLE IF NOT EXISTS ai_attempts (
    attempt_id UUID PRIMARY KEY,
    request_key UUID NOT NULL,
    ordinal INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    cause TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,
    outcome TEXT,                   -- null while the call is under way; 'unknown' when a crash hid it
    response_id TEXT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    cost_usd NUMERIC,               -- null without a known price, never zero for it
    price_version TEXT,
    finish_reason TEXT,
    latency_ms INTEGER,
    detail TEXT
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS idx_ai_attempts_request_key ON ai_attempts (request_key);
CREATE INDEX IF NOT EXISTS idx_ai_attempts_started_at ON ai_attempts USING brin (started_at) WITH (autosummarize = on);
