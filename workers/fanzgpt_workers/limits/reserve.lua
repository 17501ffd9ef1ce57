-- Reserve calls in a sliding minute. KEYS: the window, when it opens again, the workers seen, the first call that each of
-- them waits with (a hash: worker -> "since seen" in milliseconds, and the call), and the calls under way (a sorted set:
-- worker/number -> until when it is held, in milliseconds). ARGV: the limit (requests, tokens, input tokens, output tokens,
-- calls at once), the tolerance, the deviations, how long a call is held at most, this worker, the number of its first call,
-- then each call's load in their order.
-- A load is seven numbers (see fanzgpt_workers.core.load, which this follows): requests, input, output, expected,
-- variance, most, shared. The window is a hash of slots (a tenth of a second -> load) with their sum; o, the oldest slot
-- that may be in it; and told, what others use of the limit as the provider sees it (see correct.lua). Slots stay whole,
-- and one more than a minute has: of two calls granted a minute apart, the second may arrive sooner than the first did.
-- Answers: {the slot of the reservations, how many were granted, milliseconds to wait for the next, workers}.
local SLOT_MS, SLOTS, SECONDS, GONE_MS, LOOK_MS, FIRST = 100, 601, 60, 3000, 200, 11
local FORMAT, UNLIMITED = '%.0f %.0f %.0f %.0f %.0f %.0f %.0f', 1e15
local most_requests, most_tokens, most_input, most_output, concurrent =
    tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local tolerance, deviations, lease_ms = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local worker = ARGV[9]
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
local slot = math.floor(now_ms / SLOT_MS)

local function read(stored)
    local load, place = {0, 0, 0, 0, 0, 0, 0}, 0
    for number in string.gmatch(stored or '', '%S+') do
        place = place + 1
        load[place] = tonumber(number)
    end
    return load
end

local function add(load, more, times)
    for place = 1, 7 do
        load[place] = load[place] + times * more[place]
    end
end

local function likely(mean, variance, most)
    if variance <= 0 or mean <= 0 then
        return most > 0 and math.min(mean, most) or mean
    end
    local shape = mean * mean / variance
    local root = 1 - 1 / (9 * shape) + deviations / (3 * math.sqrt(shape))
    return math.min(most, mean * math.max(root, 1) ^ 3)
end

local function admits(load)
    local requests, input, output = load[1], load[2], load[3]
    local at_most = output - load[4] + likely(load[4], load[5] + load[7] ^ 2, load[6])
    return requests <= most_requests and input <= most_input
        and output <= most_output and at_most <= tolerance * most_output
        and input + output <= most_tokens and input + at_most <= tolerance * most_tokens
end

redis.call('ZADD', KEYS[3], now, worker)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - SECONDS)
redis.call('EXPIRE', KEYS[3], SECONDS + 1)
local workers = redis.call('ZCARD', KEYS[3])

local opens = tonumber(redis.call('GET', KEYS[2]) or '0')
if opens > now_ms then
    return {slot, 0, opens - now_ms, workers}
end

local stored = redis.call('HMGET', KEYS[1], 'o', 'sum', 'told')
local oldest, held = tonumber(stored[1] or slot), read(stored[2])
for left = oldest, slot - SLOTS - 1 do
    local load = redis.call('HGET', KEYS[1], left)
    if load then
        add(held, read(load), -1)
        redis.call('HDEL', KEYS[1], left)
    end
end

-- What others use leaves the provider's bucket as it fills again; a limit that is lower than ours is the one that counts.
if stored[3] then
    local numbers = {}
    for number in string.gmatch(stored[3], '%S+') do
        numbers[#numbers + 1] = tonumber(number)
    end
    local minutes = (now_ms - numbers[1]) / (SECONDS * 1000)
    local function left(most, limit, used)
        return minutes < 1 and math.min(most, limit) - math.max(0, used - minutes * limit) or most
    end
    most_requests = left(most_requests, numbers[2], numbers[3])
    most_tokens = left(most_tokens, numbers[4], numbers[5])
    most_input = left(most_input, numbers[6], numbers[7])
    most_output = left(most_output, numbers[8], numbers[9])
end

local under_way = 0
if concurrent < UNLIMITED then
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now_ms)
    under_way = redis.call('ZCARD', KEYS[5])
end

-- Room is kept for the first call of every worker that has waited for longer: else one that waits with a large call would
-- be overtaken for ever by the small ones of the others. Who has not waited yet stands behind all who do.
local heads, since = {}, now_ms + 1
local waiting = redis.call('HGETALL', KEYS[4])
for place = 1, #waiting, 2 do
    local began, seen, load = string.match(waiting[place + 1], '(%d+) (%d+) (.+)')
    if waiting[place] == worker then
        since = tonumber(began)
    elseif tonumber(seen) < now_ms - GONE_MS then
        redis.call('HDEL', KEYS[4], waiting[place])
    else
        heads[#heads + 1] = {tonumber(began), read(load)}
    end
end
local function with_heads()
    local load = {unpack(held)}
    for _, head in ipairs(heads) do
        if head[1] < since then
            add(load, head[2], 1)
        end
    end
    return load
end

local granted, taken, spoken_for, wanted = 0, read(), with_heads(), nil
for place = FIRST, #ARGV do
    wanted = read(ARGV[place])
    add(spoken_for, wanted, 1)
    -- A call that no minute has room for goes alone, in an empty one: nothing else could ever let it go.
    if spoken_for[1] > 1 and not admits(spoken_for) or under_way + spoken_for[1] - held[1] > concurrent then
        break
    end
    if concurrent < UNLIMITED then
        redis.call('ZADD', KEYS[5], now_ms + lease_ms, worker .. '/' .. (ARGV[10] + granted))
        under_way = under_way + 1
    end
    add(taken, wanted, 1)
    add(held, wanted, 1)
    granted, wanted = granted + 1, nil
    if since <= now_ms then -- the next one has not waited yet
        since = now_ms + 1
        spoken_for = with_heads()
    end
end
if granted > 0 then
    add(taken, read(redis.call('HGET', KEYS[1], slot)), 1)
    redis.call('HSET', KEYS[1], slot, string.format(FORMAT, unpack(taken)))
end
redis.call('HSET', KEYS[1], 'o', math.max(oldest, slot - SLOTS), 'sum', string.format(FORMAT, unpack(held)))
redis.call('EXPIRE', KEYS[1], SECONDS + 2)

if under_way > 0 then
    redis.call('PEXPIRE', KEYS[5], lease_ms)
end
if not wanted then
    redis.call('HDEL', KEYS[4], worker)
    return {slot, granted, 0, workers}
end
local head = string.format('%.0f %.0f ' .. FORMAT, math.min(since, now_ms), now_ms, unpack(wanted))
redis.call('HSET', KEYS[4], worker, head)
redis.call('EXPIRE', KEYS[4], SECONDS)
if admits(spoken_for) then -- it waits for a call under way to end
    return {slot, granted, LOOK_MS, workers}
end
-- Until so many slots have left the window that the next call has room.
local names = {}
for each = slot - SLOTS, slot do
    names[#names + 1] = each
end
for place, load in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
    if load then
        add(spoken_for, read(load), -1)
        if spoken_for[1] <= 1 or admits(spoken_for) then
            return {slot, granted, math.max(20, (names[place] + SLOTS + 1) * SLOT_MS - now_ms), workers}
        end
    end
end
return {slot, granted, 1000, workers}
