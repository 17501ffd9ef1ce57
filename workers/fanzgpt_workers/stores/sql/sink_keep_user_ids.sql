INSERT INTO ai_user_ids (user_id, original_id)
SELECT * FROM unnest($1::uuid[], $2::text[])
ON CONFLICT DO NOTHING
