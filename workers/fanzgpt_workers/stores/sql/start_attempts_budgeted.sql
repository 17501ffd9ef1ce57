-- As start_attempts.sql, for attempts that must find room in their budgets first. $1..$7 as there, $8 what each reserves,
-- $9 when its budgets' window began; $10..$13 attempt, scope, window and limit of each allowance; $14 the share of a limit
-- from which on its budget counts as nearly spent. Every statement locks budgets first, in the order of their keys, so that
-- what others reserved meanwhile is seen, and nobody waits in a circle.
-- Of attempts in one batch each counts all that stand before it, so that no two of them take the same room.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::numeric[],
        $9::timestamptz[]
    ) WITH ORDINALITY
    AS wanted (attempt_id, request_key, epoch, ordinal, provider, model, cause, reserved_usd, begins_at, place)
),
allowances AS MATERIALIZED (
    SELECT allowance.*, wanted.reserved_usd, wanted.place
    FROM unnest($10::uuid[], $11::text[], $12::timestamptz[], $13::numeric[])
    AS allowance (attempt_id, scope, begins_at, limit_usd)
    JOIN wanted ON wanted.attempt_id = allowance.attempt_id
),
locked AS MATERIALIZED (
    SELECT budget.scope, budget.begins_at, budget.spent_usd, budget.held_usd, budget.warned
    FROM (SELECT DISTINCT scope, begins_at FROM allowances ORDER BY scope, begins_at) AS meant
    JOIN ai_budgets AS budget ON budget.scope = meant.scope AND budget.begins_at = meant.begins_at
    ORDER BY budget.scope, budget.begins_at
    FOR NO KEY UPDATE OF budget
),
room AS MATERIALIZED (
    SELECT
        allowances.attempt_id,
        allowances.scope,
        locked.spent_usd + locked.held_usd
        + sum(allowances.reserved_usd) OVER (PARTITION BY allowances.scope, allowances.begins_at ORDER BY allowances.place)
        <= allowances.limit_usd AS fits,
        locked.spent_usd + allowances.reserved_usd > allowances.limit_usd AS is_spent
    FROM allowances
    JOIN locked ON locked.scope = allowances.scope AND locked.begins_at = allowances.begins_at
),
judged AS MATERIALIZED (
    SELECT
        wanted.attempt_id,
        -- One that is there already found its room before its answer was lost.
        coalesce(bool_and(room.fits), TRUE)
        OR EXISTS (SELECT FROM ai_attempts AS made WHERE made.attempt_id = wanted.attempt_id) AS fits,
        (array_agg(room.scope ORDER BY room.is_spent DESC, room.scope) FILTER (WHERE NOT room.fits))[1] AS full_scope,
        coalesce(bool_or(room.is_spent), FALSE) AS is_spent
    FROM wanted
    LEFT JOIN room ON room.attempt_id = wanted.attempt_id
    GROUP BY wanted.attempt_id
),
owned AS (
    UPDATE ai_requests AS held
    SET updated_at = statement_timestamp()
    FROM wanted
    JOIN judged ON judged.attempt_id = wanted.attempt_id
    WHERE held.request_key = wanted.request_key AND held.epoch = wanted.epoch AND held.ended_at IS NULL
    RETURNING wanted.*, judged.fits, judged.full_scope, judged.is_spent
),
started AS (
    INSERT INTO ai_attempts (
        attempt_id, request_key, ordinal, epoch, provider, model, cause, started_at,
        reserved_usd, budget_scopes, budget_begins_at
    )
    SELECT
        attempt_id, request_key, ordinal, epoch, provider, model, cause, statement_timestamp(),
        reserved_usd,
        (SELECT array_agg(scope ORDER BY scope) FROM allowances WHERE allowances.attempt_id = owned.attempt_id),
        begins_at
    FROM owned
    WHERE fits
    ON CONFLICT (attempt_id) DO NOTHING
    RETURNING attempt_id
),
taken AS MATERIALIZED (
    SELECT
        allowances.scope,
        allowances.begins_at,
        sum(allowances.reserved_usd) AS usd,
        max(allowances.limit_usd) AS limit_usd
    FROM started
    JOIN allowances ON allowances.attempt_id = started.attempt_id
    GROUP BY allowances.scope, allowances.begins_at
),
counted AS (
    UPDATE ai_budgets AS budget
    SET held_usd = budget.held_usd + taken.usd,
        warned = budget.warned OR budget.spent_usd + budget.held_usd + taken.usd >= taken.limit_usd * $14::numeric
    FROM taken
    WHERE budget.scope = taken.scope AND budget.begins_at = taken.begins_at
    RETURNING budget.scope, budget.begins_at, budget.warned
)
SELECT
    owned.request_key,
    owned.fits,
    owned.full_scope,
    owned.is_spent,
    (
        SELECT array_agg(counted.scope)
        FROM counted
        JOIN locked ON locked.scope = counted.scope AND locked.begins_at = counted.begins_at
        WHERE counted.warned AND NOT locked.warned
    ) AS nearly_spent
FROM owned
