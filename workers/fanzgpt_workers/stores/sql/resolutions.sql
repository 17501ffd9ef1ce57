SELECT letter_id, resolution, times, note, resolved_at FROM ai_dead_letter_resolutions
