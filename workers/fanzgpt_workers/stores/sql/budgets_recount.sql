-- Both numbers of each budget of the last month, from the attempts; follows budgets_lock.sql in one transaction, so that no
-- attempt changes without its budgets. Answers with the budgets that were wrong.
WITH truth AS (
    SELECT
        scope,
        attempt.budget_begins_at AS begins_at,
        coalesce(sum(attempt.charged_usd), 0) AS spent_usd,
        coalesce(sum(attempt.reserved_usd) FILTER (WHERE attempt.charged_usd IS NULL), 0) AS held_usd
    FROM ai_attempts AS attempt
    CROSS JOIN unnest(attempt.budget_scopes) AS scope
    WHERE attempt.budget_begins_at > now() - interval '32 days'
    GROUP BY scope, attempt.budget_begins_at
),
wrong AS (
    SELECT
        budget.scope,
        budget.begins_at,
        coalesce(truth.spent_usd, 0) AS spent_usd,
        coalesce(truth.held_usd, 0) AS held_usd
    FROM ai_budgets AS budget
    LEFT JOIN truth ON truth.scope = budget.scope AND truth.begins_at = budget.begins_at
    WHERE
        budget.begins_at > now() - interval '32 days'
        AND (budget.spent_usd, budget.held_usd) <> (coalesce(truth.spent_usd, 0), coalesce(truth.held_usd, 0))
)
UPDATE ai_budgets AS budget
SET spent_usd = wrong.spent_usd, held_usd = wrong.held_usd
FROM wrong
WHERE budget.scope = wrong.scope AND budget.begins_at = wrong.begins_at
RETURNING budget.scope
