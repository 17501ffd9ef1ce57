-- Where the sinks stand by their own account, which is the truth: it was written with their rows.
SELECT group_name, topic, partition, next_offset
FROM ai_sink_offsets
WHERE next_offset IS NOT NULL
