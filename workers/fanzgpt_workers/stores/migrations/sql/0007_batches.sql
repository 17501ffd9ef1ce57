-- Batches at providers. The row is there before the batch is asked for; `batch_id` once its creation was heard of.
CREATE TABLE IF NOT EXISTS ai_batches (
    batch_key UUID PRIMARY KEY,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    batch_id TEXT,
    calls INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    called_off_at TIMESTAMPTZ,
    over_at TIMESTAMPTZ,
    look_at TIMESTAMPTZ NOT NULL DEFAULT now(),     -- nobody looks at it before: a lease, or the next poll
    CONSTRAINT ai_batches_batch_id UNIQUE (provider, batch_id)
);
CREATE INDEX IF NOT EXISTS idx_ai_batches_look_at ON ai_batches (look_at) WHERE over_at IS NULL;

-- One row a request whose record is committed and whose ending is still to come; the row goes with the ending.
CREATE TABLE IF NOT EXISTS ai_batch_calls (
    request_key UUID PRIMARY KEY,
    epoch BIGINT NOT NULL,
    term BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,                          -- the event, to the byte
    origin_topic TEXT NOT NULL,
    origin_partition INTEGER NOT NULL,
    origin_offset BIGINT NOT NULL,
    stated_at_ms BIGINT NOT NULL,
    traceparent TEXT,
    deadline TIMESTAMPTZ,
    gathered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    tries INTEGER NOT NULL DEFAULT 0,               -- batches it was in
    batch_key UUID,
    attempt_id UUID,
    returned BOOLEAN NOT NULL DEFAULT FALSE,        -- back on the normal lane
    ended BOOLEAN NOT NULL DEFAULT FALSE,           -- has its ending, and waits to learn what it cost
    look_at TIMESTAMPTZ NOT NULL DEFAULT now()      -- of a returned one: the lease of who calls for it
);
CREATE INDEX IF NOT EXISTS idx_ai_batch_calls_batch_key ON ai_batch_calls (batch_key) WHERE batch_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_ai_batch_calls_gathered ON ai_batch_calls (provider, model, gathered_at)
WHERE batch_key IS NULL AND NOT returned;
CREATE INDEX IF NOT EXISTS idx_ai_batch_calls_deadline ON ai_batch_calls (deadline) WHERE deadline IS NOT NULL;
