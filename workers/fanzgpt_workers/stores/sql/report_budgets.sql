-- The budgets that something was held in, newest window first.
SELECT scope, begins_at, spent_usd, held_usd, warned
FROM ai_budgets
WHERE spent_usd <> 0 OR held_usd <> 0
ORDER BY begins_at DESC, scope
LIMIT $1
