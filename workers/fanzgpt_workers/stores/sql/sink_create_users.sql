-- Rows for users that the main API server has not made; everything but the id is left to the columns' defaults.
INSERT INTO users (id)
SELECT id FROM unnest($1::uuid[]) AS missing (id) ORDER BY id
ON CONFLICT DO NOTHING
RETURNING id
