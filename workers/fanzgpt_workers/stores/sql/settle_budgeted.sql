-- As the settlement in settle.sql ($1..$14), for attempts that may hold something in budgets: it is given back, and what
-- they came to is spent. A known cost counts; without one, an outcome that is never billed costs nothing, and any other all
-- that was reserved, for it may be on the bill. Budgets are locked first, as everywhere.
WITH ended AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::numeric[], $10::text[], $11::text[], $12::integer[], $13::text[], $14::text[]
    ) AS ended (
        attempt_id, outcome, response_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_usd, price_version, finish_reason, latency_ms, detail, usage_details
    )
),
meant AS MATERIALIZED (
    SELECT DISTINCT scope, attempt.budget_begins_at AS begins_at
    FROM ended
    JOIN ai_attempts AS attempt ON attempt.attempt_id = ended.attempt_id
    CROSS JOIN unnest(attempt.budget_scopes) AS scope
    ORDER BY 1, 2
),
locked AS MATERIALIZED (
    SELECT budget.scope
    FROM meant
    JOIN ai_budgets AS budget ON budget.scope = meant.scope AND budget.begins_at = meant.begins_at
    ORDER BY budget.scope, budget.begins_at
    FOR NO KEY UPDATE OF budget
),
settled AS (
    UPDATE ai_attempts AS attempt
    SET outcome = ended.outcome,
        ended_at = statement_timestamp(),
        response_id = ended.response_id,
        input_tokens = ended.input_tokens,
        output_tokens = ended.output_tokens,
        cache_read_tokens = ended.cache_read_tokens,
        cache_write_tokens = ended.cache_write_tokens,
        reasoning_tokens = ended.reasoning_tokens,
        cost_usd = ended.cost_usd,
        price_version = ended.price_version,
        finish_reason = ended.finish_reason,
        latency_ms = ended.latency_ms,
        detail = ended.detail,
        usage_details = ended.usage_details::jsonb,
        charged_usd = CASE
            WHEN attempt.reserved_usd IS NULL THEN NULL
            WHEN ended.cost_usd IS NOT NULL THEN ended.cost_usd
            WHEN ended.outcome IN (
                'throttled', 'overloaded', 'unreachable', 'refused', 'unauthorized', 'no-such-model', 'out-of-credit'
            ) THEN 0
            ELSE attempt.reserved_usd
        END
    FROM ended
    WHERE
        attempt.attempt_id = ended.attempt_id
        AND (attempt.outcome IS NULL OR attempt.outcome = 'unknown')
        AND (SELECT count(*) FROM locked) >= 0
    RETURNING attempt.reserved_usd, attempt.charged_usd, attempt.budget_scopes, attempt.budget_begins_at
),
counted AS (
    UPDATE ai_budgets AS budget
    SET held_usd = budget.held_usd - freed.held_usd, spent_usd = budget.spent_usd + freed.spent_usd
    FROM (
        SELECT
            scope,
            settled.budget_begins_at AS begins_at,
            sum(settled.reserved_usd) AS held_usd,
            sum(settled.charged_usd) AS spent_usd
        FROM settled
        CROSS JOIN unnest(settled.budget_scopes) AS scope
        GROUP BY scope, settled.budget_begins_at
    ) AS freed
    WHERE budget.scope = freed.scope AND budget.begins_at = freed.begins_at
)
