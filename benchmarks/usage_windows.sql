-- What the windows must hold, computed once more from the log alone: $1 pane, $2 lateness in ms, $3 panes of a hopping window.
WITH timed AS (
    SELECT *, (at_ms / $1 + 1) * $1 AS pane,
        max(at_ms) OVER (
            PARTITION BY shard ORDER BY log_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS newest_before,
        max(at_ms) OVER (PARTITION BY shard) AS newest
    FROM log
), counted AS (
    SELECT DISTINCT ON (shard, event_id) *
    FROM timed
    WHERE newest_before IS NULL OR pane > floor((newest_before - $2)::numeric / $1) * $1
    ORDER BY shard, event_id, log_offset
), keyed AS (
    SELECT c.*, k.dimension, k.key
    FROM counted c
    CROSS JOIN LATERAL (
        VALUES ('user', c.user_id), ('type', c.type), ('provider', c.provider), ('model', c.provider || '/' || c.model)
    ) AS k (dimension, key)
), placed AS (
    SELECT k.*, 'tumbling' AS kind, pane AS window_end FROM keyed k
    UNION ALL
    SELECT k.*, 'hopping', pane + n * $1 FROM keyed k, generate_series(0, $3 - 1) AS n WHERE $3 > 1
)
SELECT dimension, key, kind, shard, window_end, count(*) AS requests, count(*) FILTER (WHERE failed) AS failed,
    count(*) FILTER (WHERE cached) AS cached, sum(input_tokens)::bigint AS input_tokens,
    sum(output_tokens)::bigint AS output_tokens, sum(cost_usd) AS cost_usd,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) AS p99
FROM placed
WHERE window_end <= floor((newest - $2)::numeric / $1) * $1
GROUP BY dimension, key, kind, shard, window_end
