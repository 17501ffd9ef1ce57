-- Put the truth in the place of estimates. KEYS: the window. ARGV: for each call its slot, and by how much requests and
-- tokens were wrong there. What has left the window is left alone.
local oldest = tonumber(redis.call('HGET', KEYS[1], 'o'))
for place = 1, #ARGV, 3 do
    if oldest and tonumber(ARGV[place]) >= oldest then
        local stored = redis.call('HGET', KEYS[1], ARGV[place]) or '0 0'
        local r, t = string.match(stored, '(%-?%d+) (%-?%d+)')
        redis.call('HSET', KEYS[1], ARGV[place], (r + ARGV[place + 1]) .. ' ' .. (t + ARGV[place + 2]))
        redis.call('HINCRBY', KEYS[1], 'r', ARGV[place + 1])
        redis.call('HINCRBY', KEYS[1], 't', ARGV[place + 2])
    end
end
return 1
