-- Retention.

-- before keep skip limit -> looked at, ids. Walks executions by creation, the oldest first.
local function executions_finished(keys, args)
  local p, r = keys[1], reader(args)
  local before, keep, skip, limit = r.number(), r.number(), r.number(), r.number()
  local page = call('ZRANGE', p .. 'index:all', '-inf', '(' .. string.format('%.0f', before),
    'BYSCORE', 'LIMIT', skip, limit)
  local ids = {}
  for _, id in ipairs(page) do
    local row = call('HMGET', p .. 'execution:' .. id, 'pipeline', 'live', 'ended')
    local old = row[2] == '0' and tonumber(row[3] or 0) < before
    if old and call('ZREVRANK', p .. 'index:pipeline/' .. row[1], id) >= keep then
      ids[#ids + 1] = id
    end
  end
  return { #page, ids }
end

-- id -> DONE | LIVE | GONE
local function execution_remove(keys, args)
  local p, now, id = keys[1], clock(keys[1]), args[1]
  local row = call('HMGET', p .. 'execution:' .. id, 'application', 'pipeline', 'event', 'status', 'live')
  if not row[1] then return { 'GONE' } end
  if row[5] == '1' then return { 'LIVE' } end
  for _, index in ipairs(indexes(row[1], row[2], row[3], row[4])) do
    call('ZREM', p .. 'index:' .. index, id)
  end
  for _, part in ipairs({ 'execution:', 'inputs:', 'timeline:' }) do call('DEL', p .. part .. id) end
  call('ZADD', p .. 'removed', now, id)
  ring(p)
  return { 'DONE' }
end

-- events before, tombstones before, limit -> events tombstones
local function expire(keys, args)
  local p, r = keys[1], reader(args)
  local events_before, tombstones_before, limit = r.number(), r.number(), r.number()
  local events = 0
  -- Pending ones are passed over: as many as there are, but no more than the limit.
  local pending = math.min(call('ZCARD', p .. 'events-age'), limit)
  for _, key in ipairs(call('ZRANGE', p .. 'events', 0, limit + pending)) do
    local row = call('HMGET', p .. 'event:' .. key, 'accepted', 'outcome')
    if events == limit or tonumber(row[1] or 0) >= events_before then break end
    if row[2] then
      call('ZREM', p .. 'events', key)
      call('DEL', p .. 'event:' .. key)
      events = events + 1
    end
  end
  local tombstones = call('ZRANGE', p .. 'removed', '-inf',
    '(' .. string.format('%.0f', tombstones_before), 'BYSCORE', 'LIMIT', 0, limit)
  for _, id in ipairs(tombstones) do call('ZREM', p .. 'removed', id) end
  return { events, #tombstones }
end

