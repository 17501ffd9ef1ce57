-- An answer that was not called for: whose call had been paid for it (a request id of the same user), and what it had cost.
ALTER TABLE ai_requests ADD COLUMN IF NOT EXISTS cached_from TEXT;
ALTER TABLE ai_requests ADD COLUMN IF NOT EXISTS saved_usd NUMERIC;   -- null where the price was not known

-- What budgets hold, by scope (`total`, `tier/premium`, `user/<users.id>`) and window. `spent_usd` is what settled calls
-- came to, `held_usd` what those under way may cost at most, and those whose outcome is not known. Only scopes that have a
-- limit have rows. Both numbers follow from ai_attempts (`fanzgpt ledger budgets --recount`).
CREATE TABLE IF NOT EXISTS ai_budgets (
    scope TEXT NOT NULL,
    begins_at TIMESTAMPTZ NOT NULL,
    spent_usd NUMERIC NOT NULL DEFAULT 0,
    held_usd NUMERIC NOT NULL DEFAULT 0,
    warned BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (scope, begins_at)
) WITH (fillfactor = 50);

-- What an attempt holds in its budgets, and what it was charged for there. Null without budgets.
ALTER TABLE ai_attempts ADD COLUMN IF NOT EXISTS reserved_usd NUMERIC;
ALTER TABLE ai_attempts ADD COLUMN IF NOT EXISTS charged_usd NUMERIC;
ALTER TABLE ai_attempts ADD COLUMN IF NOT EXISTS budget_scopes TEXT[];
ALTER TABLE ai_attempts ADD COLUMN IF NOT EXISTS budget_begins_at TIMESTAMPTZ;

-- What a price depends on beyond the columns of tokens: audio, images, caches written for an hour, the tier. JSON, null for
-- nearly every call.
ALTER TABLE ai_attempts ADD COLUMN IF NOT EXISTS usage_details JSONB;
