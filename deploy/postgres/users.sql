-- The table belongs to the main API server; this is the least that it must have, where that server is not around.
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY,
    created_at timestamptz DEFAULT now()
);
