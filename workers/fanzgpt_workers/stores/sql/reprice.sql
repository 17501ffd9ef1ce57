-- New prices of attempts whose price is still the one that was read; the arrays are sorted by attempt. What an attempt was
-- charged for in its budgets stays: that money was counted in its window.
UPDATE ai_attempts AS attempt
SET cost_usd = priced.new_usd, price_version = priced.version
FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::text[]) AS priced (attempt_id, old_usd, new_usd, version)
WHERE attempt.attempt_id = priced.attempt_id AND attempt.cost_usd IS NOT DISTINCT FROM priced.old_usd
