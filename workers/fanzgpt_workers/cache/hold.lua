-- Hold leases for longer. KEYS: leases. ARGV: milliseconds, then who holds each. What has become another's stays so.
for place, lease in ipairs(KEYS) do
    if redis.call('GET', lease) == ARGV[place + 1] then
        redis.call('PEXPIRE', lease, ARGV[1])
    end
end
return 1
