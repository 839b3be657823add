-- Pipelines.

local function pipeline_row(p, id)
  local row = call('HMGET', p .. 'pipeline:' .. id, 'application', 'name', 'body', 'version', 'updated')
  if not row[1] then return nil end
  return { id, row[1], row[2], row[3], row[4], row[5] }
end

local function forget_index(p, id)
  local stored = call('HGET', p .. 'pipeline:' .. id, 'keys')
  for _, key in ipairs(stored and cjson.decode(stored) or {}) do
    call('SREM', p .. 'keyed:' .. key, id)
  end
  call('ZREM', p .. 'indexed', id)
end

-- The keys come once as a list and once as the JSON text that is kept for the next change.
local function read_index(r)
  return { version = r.number(), text = r.text(), keys = r.list(r.text) }
end

local function write_index(p, id, index)
  forget_index(p, id)
  for _, key in ipairs(index.keys) do call('SADD', p .. 'keyed:' .. key, id) end
  call('ZADD', p .. 'indexed', index.version, id)
  call('HSET', p .. 'pipeline:' .. id, 'keys', index.text, 'index', index.version)
end

-- id application name body expected? index events
--   -> SAVED version time | STALE version | NAME_TAKEN id
local function pipeline_put(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local id, application, name, body = r.text(), r.text(), r.text(), r.text()
  local expected, index = tonumber(r.maybe() or nil), read_index(r)
  local events = r.list(function() return read_event(r) end)
  local function plan()
    for _, event in ipairs(events) do accept(p, now, event) end
  end
  local stored = pipeline_row(p, id)
  local version = stored and tonumber(stored[5]) or 0
  if stored and stored[2] == application and stored[3] == name and stored[4] == body
    and (not expected or expected + 1 == version) then
    write_index(p, id, index)
    plan()
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
  write_index(p, id, index)
  wake_waiters(p, now, id)
  plan()
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
  forget_index(p, id)
  call('DEL', p .. 'pipeline:' .. id)
  wake_waiters(p, now, id)
  ring(p)
  return 1
end

-- keys -> { id version time } of the definitions indexed under any of them
local function pipelines_keyed(keys, args)
  local p, seen, marks = keys[1], {}, {}
  for _, key in ipairs(args) do
    for _, id in ipairs(call('SMEMBERS', p .. 'keyed:' .. key)) do
      local row = call('HMGET', p .. 'pipeline:' .. id, 'version', 'updated')
      if row[1] and not seen[id] then marks[#marks + 1] = { id, row[1], row[2] } end
      seen[id] = true
    end
  end
  return marks
end

-- version limit -> rows whose index has another version
local function pipelines_indexed_otherwise(keys, args)
  local p, version, limit, rows = keys[1], tonumber(args[1]), tonumber(args[2]), {}
  for _, range in ipairs({ { '-inf', '(' .. version }, { '(' .. version, '+inf' } }) do
    local ids = call('ZRANGE', p .. 'indexed', range[1], range[2], 'BYSCORE', 'LIMIT', 0,
      math.max(0, limit - #rows))
    for _, id in ipairs(ids) do rows[#rows + 1] = pipeline_row(p, id) end
  end
  return rows
end

-- id version time index -> 1 | 0
local function pipeline_index(keys, args)
  local p, r = keys[1], reader(args)
  local id, version, updated, index = r.text(), r.text(), r.text(), read_index(r)
  local row = call('HMGET', p .. 'pipeline:' .. id, 'version', 'updated')
  if row[1] ~= version or row[2] ~= updated then return 0 end
  write_index(p, id, index)
  return 1
end
