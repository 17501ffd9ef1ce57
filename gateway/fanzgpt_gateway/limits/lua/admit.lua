-- One request against its user's sliding window: a sorted set of request ids by the time they were admitted.
-- KEYS: the window, its repetitions. ARGV: request id, most requests, window in seconds, most repetitions.
-- Answers {admitted, how many are in the window, microseconds until the oldest leaves it}. The clock is the server's,
-- so that replicas whose clocks differ still share one window.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local length = ARGV[3] * 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - length)
local admitted = 0
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    local repeats = redis.call('INCR', KEYS[2])
    if repeats == 1 then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
    if repeats <= tonumber(ARGV[4]) then admitted = 1 end
elseif redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    admitted = 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local reset = length
if oldest[2] then reset = oldest[2] + length - now end
return {admitted, redis.call('ZCARD', KEYS[1]), reset}
