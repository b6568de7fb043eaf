#!lua flags=allow-oom
-- A node says that it lives, or that it ends. KEYS[1]: the prefix. ARGV: beat or leave, node, run, home, how long it lives in ms, what it says of itself, the version that it knows.
local prefix, what, node, run, home, lives = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local key, nodes, version = prefix .. ':node:' .. node, prefix .. ':nodes', prefix .. ':meta'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local kept = redis.call('GET', key)
if kept then
  local keptRun, keptHome = string.match(kept, '^(%d+) (%S+) ')
  if keptHome ~= home then
    return {'N', string.format('%.0f', redis.call('PTTL', key)), kept}
  end
  if tonumber(keptRun) > tonumber(run) then
    return {'S'} -- a later run of this node lives
  end
end

local changed = false
if what == 'leave' then
  redis.call('DEL', key)
  redis.call('ZREM', nodes, node)
  changed = true
else
  local value = run .. ' ' .. home .. ' ' .. ARGV[6]
  changed = value ~= kept
  redis.call('SET', key, value, 'PX', lives)
  redis.call('ZADD', nodes, string.format('%.0f', now + lives), node)
end

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', string.format('%.0f', now))) do
  if redis.call('EXISTS', prefix .. ':node:' .. dead) == 0 then
    redis.call('ZREM', nodes, dead)
    changed = true
  end
end

local known = changed and redis.call('HINCRBY', version, 'nodes', 1) or tonumber(redis.call('HGET', version, 'nodes') or '0')
local reply = {'B', time[1], time[2], string.format('%.0f', known)}
if string.format('%.0f', known) ~= ARGV[7] then
  for _, name in ipairs(redis.call('ZRANGE', nodes, 0, -1)) do
    local record = redis.call('GET', prefix .. ':node:' .. name)
    if record then
      reply[#reply + 1] = name
      reply[#reply + 1] = record
    end
  end
end
return reply
