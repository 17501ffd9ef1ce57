-- Leave a target alone for a while. KEYS: its rest, its breaker, its probe. ARGV: milliseconds, and where the breaker is to
-- open, for how many milliseconds it is remembered at most. A rest is never shortened.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
if ARGV[2] then
    redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
    redis.call('DEL', KEYS[3])
end
return 1
