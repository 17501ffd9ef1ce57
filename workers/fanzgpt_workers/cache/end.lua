-- Calls are over. KEYS: a question's answer and its lease, in turn. ARGV: for how many seconds an answer is kept, then for
-- each question who called and its answer's text, empty where there is none. Others' leases are left alone.
for place = 1, #KEYS, 2 do
    local holder, text = ARGV[place + 1], ARGV[place + 2]
    if text ~= '' then
        redis.call('SET', KEYS[place], text, 'EX', ARGV[1])
    end
    if redis.call('GET', KEYS[place + 1]) == holder then
        redis.call('DEL', KEYS[place + 1])
    end
end
return 1
