#!lua flags=allow-oom
-- Who owns partitions of a queue. KEYS[1]: the prefix. ARGV: take, keep, mark or leave; node; lease in ms; queue; then partitions, but for take each with its epoch, and for mark with where reading would begin.
local prefix, what, node, lease, queue = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local reply = {}
local at = 5
while at <= #ARGV do
  local place = queue .. ':' .. ARGV[at]
  local key = prefix .. ':own:' .. place
  local owner = redis.call('GET', key)
  if what == 'take' then
    at = at + 1
    local holder = owner and string.match(owner, '^(.*) %d+$')
    if not owner or holder == node or redis.call('EXISTS', prefix .. ':node:' .. holder) == 0 then
      local epoch = string.format('%.0f', redis.call('HINCRBY', prefix .. ':epoch', place, 1))
      reply[#reply + 1] = epoch
      reply[#reply + 1] = redis.call('HGET', prefix .. ':owner', place) or ''
      redis.call('SET', key, node .. ' ' .. epoch, 'PX', lease)
      redis.call('HSET', prefix .. ':owner', place, node)
    else
      reply[#reply + 1] = '0'
      reply[#reply + 1] = owner
    end
  elseif what == 'mark' then
    -- One that has lost the partition knows less than its owner: its mark would pass over what is open.
    local epoch, low = ARGV[at + 1], ARGV[at + 2]
    local mine = owner == node .. ' ' .. epoch
      or (not owner and redis.call('HGET', prefix .. ':epoch', place) == epoch and redis.call('HGET', prefix .. ':owner', place) == node)
    if mine then
      redis.call('HSET', prefix .. ':low', place, low)
    end
    reply[#reply + 1] = mine and '1' or '0'
    at = at + 3
  else
    local mine = owner == node .. ' ' .. ARGV[at + 1]
    if not owner and what == 'keep' and redis.call('HGET', prefix .. ':epoch', place) == ARGV[at + 1] and redis.call('HGET', prefix .. ':owner', place) == node then
      mine = true -- its time was over while the server could not be reached, and nobody has had it since
      redis.call('SET', key, node .. ' ' .. ARGV[at + 1])
    end
    at = at + 2
    reply[#reply + 1] = mine and '1' or '0'
    if mine and what == 'keep' then
      redis.call('PEXPIRE', key, lease)
    elseif mine then
      redis.call('DEL', key)
    end
  end
end
return reply
