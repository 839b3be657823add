-- Due work.

-- Takes what is due, the longest overdue first, and hides it. `row` makes the reply of a member;
-- it answers nil for what it has dropped instead.
local function take(key, now, limit, hide, row)
  local taken = {}
  while #taken < limit do
    local due = call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit - #taken)
    if #due == 0 then break end
    for _, member in ipairs(due) do
      local one = row(member)
      if one then
        call('ZADD', key, now + hide, member)
        taken[#taken + 1] = one
      end
    end
  end
  return taken
end

-- limit hide -> now next? events messages wakes
local function due(keys, args)
  local p, now, limit, hide = keys[1], clock(keys[1]), tonumber(args[1]), tonumber(args[2])
  local events = take(p .. 'events-due', now, limit, hide, function(key)
    call('HINCRBY', p .. 'event:' .. key, 'tries', 1)
    return event_row(p, key)
  end)
  local messages = take(p .. 'outbox-due', now, limit, hide, function(id)
    local row = call('HMGET', p .. 'outbox:' .. id, 'route', 'body', 'task', 'epoch')
    if not row[1] then
      forget_message(p, id)
      return nil
    end
    if row[3] ~= '' then
      local lease = call('HMGET', p .. 'lease:' .. row[3], 'epoch', 'result')
      if lease[1] ~= row[4] or lease[2] then
        forget_message(p, id)
        return nil
      end
    end
    return { id, unpack(row, 1, 4) }
  end)
  local wakes = take(p .. 'wakes', now, limit, hide, function(id) return id end)
  local next_due = nil
  for _, name in ipairs({ 'events-due', 'outbox-due', 'wakes' }) do
    local head = call('ZRANGE', p .. name, 0, 0, 'WITHSCORES')
    if head[2] then next_due = math.min(next_due or tonumber(head[2]), tonumber(head[2])) end
  end
  return { now, next_due or false, events, messages, wakes }
end

-- ids -> DONE
local function outbox_done(keys, args)
  for _, id in ipairs(args) do forget_message(keys[1], id) end
  return { 'DONE' }
end

-- time ids -> DONE
local function outbox_defer(keys, args)
  for i = 2, #args do
    call('ZADD', keys[1] .. 'outbox-due', 'XX', tonumber(args[1]), args[i])
  end
  return { 'DONE' }
end

