-- Put the truth in the place of estimates. KEYS: the window, the calls under way (see reserve.lua for both). ARGV: what the
-- provider said last, or nothing: the slot of the call that it answered, then limit and remaining of requests, tokens,
-- input tokens and output tokens, -1 where it said nothing; then for each correction its slot, the seven numbers by which
-- the load there changes, and the call that is over or -. What has left the window is left alone.
local FORMAT, UNLIMITED, SLOT_MS = '%.0f %.0f %.0f %.0f %.0f %.0f %.0f', 1e15, 100
local stored = redis.call('HMGET', KEYS[1], 'o', 'sum')
local oldest = tonumber(stored[1])

local function numbers(text)
    local found = {}
    for number in string.gmatch(text, '%S+') do
        found[#found + 1] = tonumber(number)
    end
    return found
end

local function read(text)
    return text and numbers(text) or {0, 0, 0, 0, 0, 0, 0}
end

local sum, slots, ended = read(stored[2]), {}, {}
for place = 2, #ARGV do
    local slot, rest, call = string.match(ARGV[place], '(%d+) (.+) (%S+)')
    if call ~= '-' then
        ended[#ended + 1] = call
    end
    if oldest and tonumber(slot) >= oldest then
        local load, change = slots[slot] or read(redis.call('HGET', KEYS[1], slot)), read(rest)
        for part = 1, 7 do
            load[part], sum[part] = load[part] + change[part], sum[part] + change[part]
        end
        slots[slot] = load
    end
end
if #ended > 0 then
    redis.call('ZREM', KEYS[2], unpack(ended))
end
if not oldest then
    return 0
end
local changed = {'sum', string.format(FORMAT, unpack(sum))}
for slot, load in pairs(slots) do
    changed[#changed + 1], changed[#changed + 2] = slot, string.format(FORMAT, unpack(load))
end

-- What is gone from the provider's limit beyond what these workers had taken of it by then was taken by somebody else who
-- has the same key, or is counted there in another way.
local said = numbers(ARGV[1])
if #said > 0 then
    local time = redis.call('TIME')
    local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    local own, later = {unpack(sum)}, {}
    for slot = said[1] + 1, math.floor(now_ms / SLOT_MS) + 1 do
        later[#later + 1] = slot
    end
    if #later > 0 then
        for place, load in ipairs(redis.call('HMGET', KEYS[1], unpack(later))) do
            load = slots[tostring(later[place])] or load and numbers(load)
            if load then
                for part = 1, 7 do
                    own[part] = own[part] - load[part]
                end
            end
        end
    end
    local told = {now_ms}
    for place, ours in ipairs({own[1], own[2] + own[3], own[2], own[3]}) do
        local limit, remaining = said[2 * place], said[2 * place + 1]
        told[#told + 1] = limit < 0 and UNLIMITED or limit
        told[#told + 1] = limit < 0 and 0 or math.max(0, limit - remaining - ours)
    end
    for place, number in ipairs(told) do
        told[place] = string.format('%.0f', number)
    end
    changed[#changed + 1], changed[#changed + 2] = 'told', table.concat(told, ' ')
end
redis.call('HSET', KEYS[1], unpack(changed))
return 1
