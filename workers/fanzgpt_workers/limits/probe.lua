-- Whether this worker may probe. KEYS: the target's rest, its breaker, its probe. ARGV: milliseconds that a probe may take.
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 0 then
    return 0
end
return redis.call('SET', KEYS[3], 1, 'PX', ARGV[1], 'NX') and 1 or 0
