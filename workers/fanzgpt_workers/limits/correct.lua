-- Put the truth in the place of estimates. KEYS: the window. ARGV: for each correction its slot and the seven numbers
-- by which the load there changes (see reserve.lua). What has left the window is left alone.
local FORMAT = '%.0f %.0f %.0f %.0f %.0f %.0f %.0f'
local stored = redis.call('HMGET', KEYS[1], 'o', 'sum')
local oldest = tonumber(stored[1])
if not oldest then
    return 0
end

local function read(text)
    local load, place = {0, 0, 0, 0, 0, 0, 0}, 0
    for number in string.gmatch(text or '', '%S+') do
        place = place + 1
        load[place] = tonumber(number)
    end
    return load
end

local sum, slots = read(stored[2]), {}
for _, correction in ipairs(ARGV) do
    local slot, rest = string.match(correction, '(%d+) (.+)')
    if tonumber(slot) >= oldest then
        local load, change = slots[slot] or read(redis.call('HGET', KEYS[1], slot)), read(rest)
        for part = 1, 7 do
            load[part], sum[part] = load[part] + change[part], sum[part] + change[part]
        end
        slots[slot] = load
    end
end
local changed = {'sum', string.format(FORMAT, unpack(sum))}
for slot, load in pairs(slots) do
    changed[#changed + 1], changed[#changed + 2] = slot, string.format(FORMAT, unpack(load))
end
redis.call('HSET', KEYS[1], unpack(changed))
return 1
