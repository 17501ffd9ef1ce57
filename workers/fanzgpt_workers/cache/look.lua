-- For each question its answer, or the lease to call for it. KEYS: a question's answer and its lease, in turn. ARGV: for
-- how many milliseconds a lease holds, then who asks for each. Answers for each: the text, 1 (who asks calls) or 0.
local found = {}
for place = 1, #KEYS, 2 do
    local text = redis.call('GET', KEYS[place])
    if not text then
        local asking = ARGV[2 + (place - 1) / 2]
        local holder = redis.call('GET', KEYS[place + 1])
        if not holder or holder == asking then
            redis.call('SET', KEYS[place + 1], asking, 'PX', ARGV[1])
            text = 1
        else
            text = 0
        end
    end
    found[#found + 1] = text
end
return found
