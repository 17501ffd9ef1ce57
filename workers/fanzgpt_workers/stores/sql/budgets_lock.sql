-- Keep every budget of the last month as it is while it is counted anew.
SELECT count(*)
FROM (
    SELECT FROM ai_budgets
    WHERE begins_at > now() - interval '32 days'
    ORDER BY scope, begins_at
    FOR NO KEY UPDATE
) AS locked
