-- The consumer group's generation in which the owner was given the request's partition. Rows of before have none: any
-- term may take them over. A constant default is kept in the catalogue, so no row is rewritten.
ALTER TABLE ai_requests ADD COLUMN IF NOT EXISTS term BIGINT NOT NULL DEFAULT -1;
