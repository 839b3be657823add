-- Pipelines.

local function pipeline_row(p, id)
  local row = call('HMGET', p .. 'pipeline:' .. id, 'application', 'name', 'body', 'version', 'updated')
  if not row[1] then return nil end
  return { id, row[1], row[2], row[3], row[4], row[5] }
end

-- id application name body expected? -> SAVED version time | STALE version | NAME_TAKEN id
local function pipeline_put(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local id, application, name, body = r.text(), r.text(), r.text(), r.text()
  local expected = tonumber(r.maybe() or nil)
  local stored = pipeline_row(p, id)
  local version = stored and tonumber(stored[5]) or 0
  if stored and stored[2] == application and stored[3] == name and stored[4] == body
    and (not expected or expected + 1 == version) then
    return { 'SAVED', version, tonumber(stored[6]) }
  end
  if expected and expected ~= version then return { 'STALE', version } end
  local names = p .. 'names:' .. application
  local other = call('HGET', names, name)
  if other and other ~= id then return { 'NAME_TAKEN', other } end
  if stored then call('HDEL', p .. 'names:' .. stored[2], stored[3]) end
  call('HSET', names, name, id)
  call('SADD', p .. 'pipelines', id)
  call('HSET', p .. 'pipeline:' .. id, 'application', application, 'name', name, 'body', body,
    'version', version + 1, 'updated', now)
  wake_waiters(p, now, id)
  ring(p)
  return { 'SAVED', version + 1, now }
end

-- id -> row | nil
local function pipeline_get(keys, args) return pipeline_row(keys[1], args[1]) end

-- application? -> rows
local function pipeline_list(keys, args)
  local p, application = keys[1], reader(args).maybe()
  local ids = application and call('HVALS', p .. 'names:' .. application)
    or call('SMEMBERS', p .. 'pipelines')
  local rows = {}
  for _, id in ipairs(ids) do rows[#rows + 1] = pipeline_row(p, id) end
  return rows
end

-- id -> 1 | 0
local function pipeline_delete(keys, args)
  local p, now, id = keys[1], clock(keys[1]), args[1]
  local row = pipeline_row(p, id)
  if not row then return 0 end
  call('HDEL', p .. 'names:' .. row[2], row[3])
  call('SREM', p .. 'pipelines', id)
  call('DEL', p .. 'pipeline:' .. id)
  wake_waiters(p, now, id)
  ring(p)
  return 1
end

-- Events.

local function event_row(p, key)
  local row = call('HMGET', p .. 'event:' .. key, 'body', 'accepted', 'tries', 'note', 'outcome')
  if not row[1] then return nil end
  return { key, row[1], row[2], row[3], row[4], row[5] }
end

local function is_pending(p, key)
  local row = event_row(p, key)
  return row and not row[6]
end

-- NEW | DUPLICATE
local function accept(p, now, key, body)
  if call('EXISTS', p .. 'event:' .. key) == 1 then return 'DUPLICATE' end
  call('HSET', p .. 'event:' .. key, 'body', body, 'accepted', now, 'tries', 0)
  call('ZADD', p .. 'events', call('INCR', p .. 'event'), key)
  call('ZADD', p .. 'events-due', now, key)
  call('ZADD', p .. 'events-age', now, key)
  ring(p)
  return 'NEW'
end

-- key body -> NEW | DUPLICATE
local function event_accept(keys, args)
  return { accept(keys[1], clock(keys[1]), args[1], args[2]) }
end

-- key outcome -> DONE
local function event_settle(keys, args)
  local p, key = keys[1], args[1]
  if is_pending(p, key) then
    call('HSET', p .. 'event:' .. key, 'outcome', args[2])
    call('ZREM', p .. 'events-due', key)
    call('ZREM', p .. 'events-age', key)
    ring(p)
  end
  return { 'DONE' }
end

-- key time note -> DONE
local function event_defer(keys, args)
  local p, key = keys[1], args[1]
  if is_pending(p, key) then
    call('HSET', p .. 'event:' .. key, 'note', args[3])
    call('ZADD', p .. 'events-due', tonumber(args[2]), key)
  end
  return { 'DONE' }
end

-- key -> row | nil
local function event_get(keys, args) return event_row(keys[1], args[1]) end

-- limit -> rows, newest first
local function event_list(keys, args)
  local p, rows = keys[1], {}
  for _, key in ipairs(call('ZRANGE', p .. 'events', 0, tonumber(args[1]) - 1, 'REV')) do
    rows[#rows + 1] = event_row(p, key)
  end
  return rows
end

