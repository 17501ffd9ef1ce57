-- Reserve calls in a sliding minute. KEYS: the window, when it opens again, the workers seen, and what each of them waits
-- with (a hash: worker -> "since tokens seen", in milliseconds). ARGV: requests a minute, tokens a minute, this worker, then
-- the tokens of each call in their order.
-- The window is a hash of slots (a quarter of a second -> "requests tokens") with their sums r and t, and o, the oldest
-- slot that may be in it. Slots stay whole, so a minute here is a little longer than the provider's, never shorter.
-- Answers: {the slot of the reservations, how many were granted, milliseconds to wait for the next, workers}.
local SLOT_MS, SLOTS, SECONDS, GONE_MS = 250, 240, 60, 3000
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
local slot, worker = math.floor(now_ms / SLOT_MS), ARGV[3]

local function read(stored)
    local r, t = string.match(stored or '0 0', '(%-?%d+) (%-?%d+)')
    return tonumber(r), tonumber(t)
end

redis.call('ZADD', KEYS[3], now, worker)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - SECONDS)
redis.call('EXPIRE', KEYS[3], SECONDS + 1)
local workers = redis.call('ZCARD', KEYS[3])

local opens = tonumber(redis.call('GET', KEYS[2]) or '0')
if opens > now_ms then
    return {slot, 0, opens - now_ms, workers}
end

local sums = redis.call('HMGET', KEYS[1], 'o', 'r', 't')
local requests, tokens = tonumber(sums[2] or '0'), tonumber(sums[3] or '0')
for left = tonumber(sums[1] or slot), slot - SLOTS - 1 do
    local stored = redis.call('HGET', KEYS[1], left)
    if stored then
        local r, t = read(stored)
        requests, tokens = requests - r, tokens - t
        redis.call('HDEL', KEYS[1], left)
    end
end

-- Room is kept for the first call of every worker that has waited for longer: else one that waits with a large call would
-- be overtaken for ever by the small ones of the others.
-- Who has not waited yet stands behind all who do.
local heads, since = {}, now_ms + 1
local waiting = redis.call('HGETALL', KEYS[4])
for place = 1, #waiting, 2 do
    local began, wanted, seen = string.match(waiting[place + 1], '(%d+) (%d+) (%d+)')
    if waiting[place] == worker then
        since = tonumber(began)
    elseif tonumber(seen) < now_ms - GONE_MS then
        redis.call('HDEL', KEYS[4], waiting[place])
    else
        heads[#heads + 1] = {tonumber(began), tonumber(wanted)}
    end
end
local function kept_for_others()
    local r, t = 0, 0
    for _, head in ipairs(heads) do
        if head[1] < since then
            r, t = r + 1, t + head[2]
        end
    end
    return r, t
end

local most_requests, most_tokens = tonumber(ARGV[1]), tonumber(ARGV[2])
local granted, taken = 0, 0
local others_requests, others_tokens = kept_for_others()
for place = 4, #ARGV do
    -- A call larger than the limit goes alone, in an empty minute: nothing else could ever let it go.
    local wanted = math.min(tonumber(ARGV[place]), most_tokens)
    if requests + others_requests + 1 > most_requests or tokens + others_tokens + wanted > most_tokens then
        break
    end
    granted, requests, tokens, taken = granted + 1, requests + 1, tokens + wanted, taken + wanted
    if since <= now_ms then -- the next one has not waited yet
        since = now_ms + 1
        others_requests, others_tokens = kept_for_others()
    end
end
if granted > 0 then
    local r, t = read(redis.call('HGET', KEYS[1], slot))
    redis.call('HSET', KEYS[1], slot, (r + granted) .. ' ' .. (t + taken))
end
redis.call('HSET', KEYS[1], 'o', math.max(tonumber(sums[1] or slot), slot - SLOTS), 'r', requests, 't', tokens)
redis.call('EXPIRE', KEYS[1], SECONDS + 2)

if granted == #ARGV - 3 then
    redis.call('HDEL', KEYS[4], worker)
    return {slot, granted, 0, workers}
end
local wanted = math.min(tonumber(ARGV[4 + granted]), most_tokens)
redis.call('HSET', KEYS[4], worker, math.min(since, now_ms) .. ' ' .. wanted .. ' ' .. now_ms)
redis.call('EXPIRE', KEYS[4], SECONDS)
-- Until so many slots have left the window that the next call has room.
local names = {}
for each = slot - SLOTS, slot do
    names[#names + 1] = each
end
for place, stored in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
    if stored then
        local r, t = read(stored)
        requests, tokens = requests - r, tokens - t
        if requests + others_requests + 1 <= most_requests and tokens + others_tokens + wanted <= most_tokens then
            local wait = (names[place] + SLOTS + 1) * SLOT_MS - now_ms
            return {slot, granted, math.max(20, wait), workers}
        end
    end
end
return {slot, granted, 1000, workers}
