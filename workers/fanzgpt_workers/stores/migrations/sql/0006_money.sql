-- An answer that was not called for: whose call had been paid for it (a request id of the same user), and what it had cost.
ALTER TABLE ai_requests ADD COLUMN IF NOT EXISTS cached_from TEXT;
ALTER TABLE ai_requests ADD COLUMN IF NOT EXISTS saved_usd NUMERIC;   -- null where the price was not known
