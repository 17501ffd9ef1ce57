-- A row for each partition that the group has never stored anything of, so that there is something to lock.
INSERT INTO ai_sink_offsets (group_name, topic, partition)
SELECT $1, topic, partition FROM unnest($2::text[], $3::integer[]) AS met (topic, partition)
ORDER BY topic, partition
ON CONFLICT DO NOTHING
