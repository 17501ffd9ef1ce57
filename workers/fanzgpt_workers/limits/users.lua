-- Requests against their users' sliding windows: sorted sets of request ids by the time they were admitted, which the
-- gateway counts in too. KEYS: a window for each request. ARGV: the windows' length in seconds, then for each request
-- its id and the most requests of its window. Answers for each the microseconds until there is room; 0: admitted.
-- A request that stands in its window is admitted and costs nothing: it was counted where it came in. The clock is the
-- server's.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local length = ARGV[1] * 1000000
local answers = {}
for at, window in ipairs(KEYS) do
    local id, most = ARGV[2 * at], tonumber(ARGV[2 * at + 1])
    local wait = 0
    redis.call('ZREMRANGEBYSCORE', window, '-inf', now - length)
    if not redis.call('ZSCORE', window, id) then
        if redis.call('ZCARD', window) < most then
            redis.call('ZADD', window, now, id)
            redis.call('EXPIRE', window, ARGV[1])
        else
            local oldest = redis.call('ZRANGE', window, 0, 0, 'WITHSCORES')
            wait = math.max(1, oldest[2] + length - now)
        end
    end
    answers[at] = wait
end
return answers
