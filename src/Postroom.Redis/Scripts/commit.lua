-- One batch of a node's writes. What belongs together is a unit: its checks decide whether it is done, and it is done whole.
-- KEYS[1]: the prefix. ARGV: node, number of the batch, now in ms, then units, each: its length, the number of its checks, the checks, its commands.
local prefix, node, batch, now = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local kept = prefix .. ':batch:' .. node
local before = redis.call('HMGET', kept, 'number', 'reply')
if before[1] == batch then
  return cmsgpack.unpack(before[2])
end
if before[1] and tonumber(batch) < tonumber(before[1]) then
  return {'S'} -- a later run of this node writes now
end

local reply, counts, owners = {}, {}, {}
local at, last = 4, #ARGV
while at <= last do
  local stop = at + tonumber(ARGV[at])
  local checks, lost = tonumber(ARGV[at + 1]), nil
  at = at + 2
  for _ = 1, checks do
    local kind, key, field, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if kind == 'own' then
      local owner = owners[key]
      if owner == nil then
        owner = redis.call('GET', key)
        if not owner then
          -- Its time may have run out while the server could not be reached; where nobody has had it since, it is the last owner's still.
          local place = string.sub(key, #prefix + 6)
          local last = (redis.call('HGET', prefix .. ':owner', place) or '') .. ' ' .. (redis.call('HGET', prefix .. ':epoch', place) or '')
          owner = last == expected and last or ''
        end
        owners[key] = owner
      end
      if owner ~= expected then
        lost = 'owner'
      end
    elseif not lost then
      local found = redis.call('HGET', key, field)
      local state = found and string.sub(found, 1, 1) or 'none'
      if state ~= expected then
        lost = state
      end
    end
    at = at + 4
  end
  if lost then
    reply[#reply + 1] = 'L' .. lost
  else
    while at < stop do
      local what = ARGV[at]
      if what == 'A' then
        local ids, id, dedup, queue = ARGV[at + 1], ARGV[at + 2], ARGV[at + 6], ARGV[at + 8]
        local first = dedup ~= '' and redis.call('GET', dedup)
        if redis.call('HEXISTS', ids, id) == 1 then
          reply[#reply + 1] = 'I'
        elseif first and (#first == 32 or tonumber(string.sub(first, 33)) > now) then
          reply[#reply + 1] = 'D' .. string.sub(first, 1, 32)
        else
          local seq = string.format('%.0f', redis.call('INCR', prefix .. ':seq'))
          redis.call('XADD', ARGV[at + 3], seq .. '-0', 'm', ARGV[at + 4])
          redis.call('HSET', ids, id, '0|' .. seq .. '|' .. ARGV[at + 5])
          if dedup ~= '' then
            redis.call('SET', dedup, id .. ARGV[at + 7])
          end
          for kin = at + 9, at + 10 do
            if ARGV[kin] ~= '' then
              redis.call('RPUSH', ARGV[kin], id)
            end
          end
          if ARGV[at + 12] ~= '' then
            redis.call('HINCRBY', ARGV[at + 12], ARGV[at + 13], 1)
          end
          counts[queue] = (counts[queue] or 0) + 1
          counts[ARGV[at + 11]] = (counts[ARGV[at + 11]] or 0) + 1
          reply[#reply + 1] = 'A' .. seq
        end
        at = at + 14
      elseif what == 'K' then
        if redis.call('HINCRBY', ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) <= 0 then
          redis.call('HDEL', ARGV[at + 1], ARGV[at + 2])
        end
        at = at + 4
      elseif what == 'C' then
        counts[ARGV[at + 1]] = (counts[ARGV[at + 1]] or 0) + tonumber(ARGV[at + 2])
        at = at + 3
      else
        local count = tonumber(what)
        redis.call(unpack(ARGV, at + 1, at + count))
        at = at + count + 1
      end
    end
    reply[#reply + 1] = '.'
  end
  at = stop
end

for field, delta in pairs(counts) do
  redis.call('HINCRBY', prefix .. ':n', field, delta)
end

redis.call('HSET', kept, 'number', batch, 'reply', cmsgpack.pack(reply))
return reply
