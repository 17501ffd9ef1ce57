-- $1 letter id, $2 redriven or discarded, $3 note or null
INSERT INTO ai_dead_letter_resolutions AS known (letter_id, resolution, note)
VALUES ($1, $2, $3)
ON CONFLICT (letter_id) DO UPDATE
SET resolution = excluded.resolution,
    note = coalesce(excluded.note, known.note),
    times = known.times + 1,
    resolved_at = now()
