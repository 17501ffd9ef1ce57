-- Note that the events of these requests are on their topics; the array is sorted and holds no key twice.
UPDATE ai_requests AS held
SET published_at = statement_timestamp()
FROM unnest($1::uuid[]) AS published (request_key)
WHERE held.request_key = published.request_key AND held.ended_at IS NOT NULL AND held.published_at IS NULL
