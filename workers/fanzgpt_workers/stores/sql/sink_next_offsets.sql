SELECT held.topic, held.partition, held.next_offset
FROM unnest($2::text[], $3::integer[]) AS asked (topic, partition)
JOIN ai_sink_offsets AS held
    ON held.group_name = $1 AND held.topic = asked.topic AND held.partition = asked.partition
