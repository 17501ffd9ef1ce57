-- Reserve calls in a sliding minute. KEYS: the window (a hash: second -> "requests tokens"), when it opens again, the
-- workers seen. ARGV: requests a minute, tokens a minute, this worker, then the tokens of each call in their order.
-- Answers: {the second of the reservations, how many were granted, milliseconds to wait for the next, workers}.
-- Seconds stand in the window whole, so a minute here is up to a second longer than the provider's, never shorter.
local SECONDS = 60
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZADD', KEYS[3], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - SECONDS)
redis.call('EXPIRE', KEYS[3], SECONDS + 1)
local workers = redis.call('ZCARD', KEYS[3])

local opens = tonumber(redis.call('GET', KEYS[2]) or '0')
if opens > now_ms then
    return {now, 0, opens - now_ms, workers}
end

local kept, requests, tokens = {}, 0, 0
local stored = redis.call('HGETALL', KEYS[1])
for place = 1, #stored, 2 do
    local second = tonumber(stored[place])
    if second <= now - SECONDS - 1 then
        redis.call('HDEL', KEYS[1], stored[place])
    else
        local r, t = string.match(stored[place + 1], '(%-?%d+) (%-?%d+)')
        kept[#kept + 1] = {second, tonumber(r), tonumber(t)}
        requests, tokens = requests + tonumber(r), tokens + tonumber(t)
    end
end

local most_requests, most_tokens = tonumber(ARGV[1]), tonumber(ARGV[2])
local granted, taken = 0, 0
for place = 4, #ARGV do
    -- A call larger than the limit goes alone, in an empty minute: nothing else could ever let it go.
    local wanted = math.min(tonumber(ARGV[place]), most_tokens)
    if requests + 1 > most_requests or tokens + wanted > most_tokens then
        break
    end
    granted, requests, tokens, taken = granted + 1, requests + 1, tokens + wanted, taken + wanted
end
if granted > 0 then
    local r, t = string.match(redis.call('HGET', KEYS[1], now) or '0 0', '(%-?%d+) (%-?%d+)')
    redis.call('HSET', KEYS[1], now, (r + granted) .. ' ' .. (t + taken))
    redis.call('EXPIRE', KEYS[1], SECONDS + 2)
    kept[#kept + 1] = {now, granted, taken}
end

local wait = 0
if granted < #ARGV - 3 then
    -- Until so many seconds have left the window that the next call has room.
    local wanted = math.min(tonumber(ARGV[4 + granted]), most_tokens)
    table.sort(kept, function(a, b) return a[1] < b[1] end)
    wait = 1000
    for _, each in ipairs(kept) do
        requests, tokens = requests - each[2], tokens - each[3]
        if requests + 1 <= most_requests and tokens + wanted <= most_tokens then
            wait = math.max(20, (each[1] + SECONDS + 1) * 1000 - now_ms)
            break
        end
    end
end
return {now, granted, wait, workers}
