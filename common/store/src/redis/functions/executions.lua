-- Executions.

-- The order in which `encode.rs` sends a transition.
local function read_commit(r)
  local c = {
    schema = r.number(), status = r.text(), live = r.text() == 'LIVE', wake = tonumber(r.maybe() or nil),
    document = r.text(), view = r.text(),
  }
  c.timeline = r.list(r.text)
  c.outbox = r.list(function()
    return { id = r.text(), route = r.text(), body = r.text(), task = r.text(), epoch = r.text() }
  end)
  c.tasks = r.list(function()
    return { change = r.text(), task = r.text(), kind = r.text(), epoch = r.number(), digest = r.text() }
  end)
  c.unlock = r.list(r.text)
  c.slot, c.limit = r.maybe(), tonumber(r.maybe() or nil)
  c.events = r.list(function() return read_event(r) end)
  c.notify = r.list(r.text)
  c.reopens = r.text() == 'REOPEN'
  return c
end

local function refusal(c, id, now)
  if #c.document > DOCUMENT_MAX then return 'TOO_LARGE' end
  if c.live and not (c.wake and c.wake <= now + WAKE_MAX) then return 'NO_WAKE' end
  for _, change in ipairs(c.tasks) do
    if string.sub(change.task, 1, #id + 1) ~= id .. '/' then return 'FOREIGN_TASK' end
  end
  return nil
end

local function forget_lease(p, task)
  local key = p .. 'lease:' .. task
  local lease = call('HMGET', key, 'execution', 'kind')
  if not lease[1] then return end
  call('SREM', p .. 'tasks:' .. lease[1], task)
  call('ZREM', p .. 'waiting:' .. lease[2], task)
  call('ZREM', p .. 'running:' .. lease[2], task)
  call('DEL', key)
end

local function dispatch(p, now, id, change)
  local task, key = change.task, p .. 'lease:' .. change.task
  local known = call('HMGET', key, 'epoch', 'result', 'kind')
  if known[1] and tonumber(known[1]) >= change.epoch then return end
  if known[2] then
    -- The result came in while this transition was computed: it stays the truth. The epoch is
    -- raised, so that the coordinator finds the result where it will look.
    call('HSET', key, 'epoch', change.epoch)
    return
  end
  if known[1] then
    call('ZREM', p .. 'waiting:' .. known[3], task)
    call('ZREM', p .. 'running:' .. known[3], task)
    call('HDEL', key, 'holder', 'until', 'token', 'notice')
  else
    call('HSET', key, 'execution', id, 'checkpoints', 0, 'cancel', 0)
    call('SADD', p .. 'tasks:' .. id, task)
  end
  call('HSET', key, 'kind', change.kind, 'epoch', change.epoch, 'digest', change.digest,
    'dispatched', now, 'claimed', 0)
  call('ZADD', p .. 'waiting:' .. change.kind, now, task)
end

-- Whether a transition would take a task from somebody who holds it now: the lease was claimed, or
-- heard of again, after the state it was computed from.
local function takes_a_live_lease(p, now, changes)
  for _, change in ipairs(changes) do
    if change.change == 'DISPATCH' then
      local known = call('HMGET', p .. 'lease:' .. change.task, 'epoch', 'result', 'until')
      if known[1] and tonumber(known[1]) < change.epoch and not known[2]
        and known[3] and tonumber(known[3]) > now then
        return true
      end
    end
  end
  return false
end

local function change_task(p, now, id, change)
  if change.change == 'DISPATCH' then
    dispatch(p, now, id, change)
  elseif change.change == 'RETIRE' then
    forget_lease(p, change.task)
  elseif call('EXISTS', p .. 'lease:' .. change.task) == 1 then
    call('HSET', p .. 'lease:' .. change.task, 'cancel', 1)
  end
end

local function forget_message(p, id)
  call('ZREM', p .. 'outbox-due', id)
  call('ZREM', p .. 'outbox-age', id)
  call('DEL', p .. 'outbox:' .. id)
end

local function put_message(p, now, row)
  forget_message(p, row.id)
  call('HSET', p .. 'outbox:' .. row.id, 'route', row.route, 'body', row.body, 'task', row.task,
    'epoch', row.epoch)
  call('ZADD', p .. 'outbox-due', now, row.id)
  call('ZADD', p .. 'outbox-age', now, row.id)
end

-- Frees locks of an execution: those of the owners, or all.
local function free_locks(p, id, owners)
  if owners and #owners == 0 then return end
  for _, resource in ipairs(call('SMEMBERS', p .. 'locks:' .. id)) do
    local key = p .. 'lock:' .. resource
    if not owners or contains(owners, call('HGET', key, 'owner')) then
      call('DEL', key)
      call('SREM', p .. 'locks:' .. id, resource)
    end
  end
end

-- The earliest notice of a result, a release or a nudge that came after the state this transition
-- was computed from. Only the first transition after it can be blind to it, so it is taken once.
local function take_notices(p, id)
  local earliest = number(p .. 'execution:' .. id, 'notice')
  if earliest then call('HDEL', p .. 'execution:' .. id, 'notice') end
  for _, task in ipairs(call('SMEMBERS', p .. 'tasks:' .. id)) do
    local notice = number(p .. 'lease:' .. task, 'notice')
    if notice then
      call('HDEL', p .. 'lease:' .. task, 'notice')
      earliest = math.min(earliest or notice, notice)
    end
  end
  return earliest
end

-- Writes everything a transition carries; all rules were checked before.
local function apply(p, now, id, pipeline, c, version)
  call('HSET', p .. 'execution:' .. id, 'version', version, 'schema', c.schema, 'status', c.status,
    'live', c.live and 1 or 0, 'document', c.document, 'view', c.view)
  for _, body in ipairs(c.timeline) do
    call('RPUSH', p .. 'timeline:' .. id, string.format('%.0f %.0f %s', version, now, body))
  end
  for _, change in ipairs(c.tasks) do change_task(p, now, id, change) end
  for _, row in ipairs(c.outbox) do put_message(p, now, row) end
  for _, event in ipairs(c.events) do accept(p, now, event) end
  for _, other in ipairs(c.notify) do
    if other ~= id then nudge(p, other, now) end
  end
  if c.live then
    free_locks(p, id, c.unlock)
    if c.reopens then call('HDEL', p .. 'execution:' .. id, 'ended') end
    change_slot(p, now, id, pipeline, c.slot)
    local notice = take_notices(p, id)
    call('ZADD', p .. 'wakes', math.min(c.wake, notice or c.wake), id)
  else
    for _, task in ipairs(call('SMEMBERS', p .. 'tasks:' .. id)) do forget_lease(p, task) end
    free_locks(p, id, nil)
    call('HDEL', p .. 'execution:' .. id, 'notice')
    call('HSET', p .. 'execution:' .. id, 'ended', now)
    call('ZREM', p .. 'wakes', id)
    leave_slot(p, now, id, pipeline)
  end
  ring(p)
end

-- The indexes an execution is found by.
local function indexes(application, pipeline, event, status)
  return { 'all', 'application/' .. application, 'pipeline/' .. pipeline, 'event/' .. event,
    'status/' .. status }
end

-- id application pipeline event limit? transition -> NEW | EXISTS | REFUSED rule
local function execution_create(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local id, application, pipeline, event = r.text(), r.text(), r.text(), r.text()
  local limit, key = tonumber(r.maybe() or nil), p .. 'execution:' .. id
  if call('EXISTS', key) == 1 or call('ZSCORE', p .. 'removed', id) then return { 'EXISTS' } end
  local c = read_commit(r)
  local refused = refusal(c, id, now)
  if refused then return { 'REFUSED', refused } end
  call('HSET', key, 'application', application, 'pipeline', pipeline, 'event', event, 'created', now)
  for _, index in ipairs(indexes(application, pipeline, event, c.status)) do
    call('ZADD', p .. 'index:' .. index, now, id)
  end
  local free = call('ZCARD', p .. 'waiters:' .. pipeline) == 0 and has_free_slot(p, pipeline, limit)
  c.slot = (free or not limit) and 'TAKE' or 'WAIT'
  apply(p, now, id, pipeline, c, 1)
  return { 'NEW' }
end

-- id version input transition
--   -> APPLIED version | DUPLICATE | CONFLICT version | GONE | NO_SLOT | REFUSED rule
local function execution_commit(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local id, expected, input = r.text(), r.number(), r.text()
  local stored = call('HMGET', p .. 'execution:' .. id, 'version', 'live', 'schema', 'status',
    'created', 'pipeline')
  if not stored[1] then return { 'GONE' } end
  -- Before the version: a repeat after an ambiguous reply finds the version it made itself.
  if call('SISMEMBER', p .. 'inputs:' .. id, input) == 1 then return { 'DUPLICATE' } end
  local version = tonumber(stored[1])
  if version ~= expected then return { 'CONFLICT', version } end
  local c, pipeline = read_commit(r), stored[6]
  if stored[2] ~= '1' then
    if not c.reopens then return { 'REFUSED', 'TERMINAL' } end
    if not c.slot then return { 'REFUSED', 'UNREGISTERED' } end
  end
  if c.schema < tonumber(stored[3]) then return { 'REFUSED', 'SCHEMA_BACK' } end
  local refused = refusal(c, id, now)
  if refused then return { 'REFUSED', refused } end
  if c.slot == 'TAKE' and slot_state(p, pipeline, id) ~= 'HOLDS'
    and not has_free_slot(p, pipeline, c.limit) then
    return { 'NO_SLOT' }
  end
  if takes_a_live_lease(p, now, c.tasks) then return { 'CONFLICT', version } end
  call('SADD', p .. 'inputs:' .. id, input)
  if stored[4] ~= c.status then
    call('ZREM', p .. 'index:status/' .. stored[4], id)
    call('ZADD', p .. 'index:status/' .. c.status, tonumber(stored[5]), id)
  end
  apply(p, now, id, pipeline, c, version + 1)
  return { 'APPLIED', version + 1 }
end

-- id -> nil | version schema document status wake now slots, then per lease: task epoch holder
--   until dispatched claimed checkpoints result cancel
local function execution_load(keys, args)
  local p, id = keys[1], args[1]
  local row = call('HMGET', p .. 'execution:' .. id, 'version', 'schema', 'document', 'status', 'pipeline')
  if not row[1] then return nil end
  local reply = { row[1], row[2], row[3], row[4], call('ZSCORE', p .. 'wakes', id), peek(p),
    slot_row(p, row[5], id) }
  for _, task in ipairs(call('SMEMBERS', p .. 'tasks:' .. id)) do
    local lease = call('HMGET', p .. 'lease:' .. task, 'epoch', 'holder', 'until', 'dispatched',
      'claimed', 'checkpoints', 'result', 'cancel')
    reply[#reply + 1] = { task, unpack(lease, 1, 8) }
  end
  return reply
end

local function view_row(p, id)
  local row = call('HMGET', p .. 'execution:' .. id, 'application', 'pipeline', 'status', 'version',
    'created', 'view')
  if not row[1] then return nil end
  return { id, unpack(row, 1, 6) }
end

-- id -> row | nil
local function execution_view(keys, args) return view_row(keys[1], args[1]) end

-- A walk through one index, newest first, in pages; `r.id` is where it stands.
local PAGE = 64
local function walk(key)
  local r, page, at, offset = {}, {}, 1, 0
  function r.next()
    if at > #page then
      page = call('ZRANGE', key, offset, offset + PAGE - 1, 'REV', 'WITHSCORES')
      at, offset = 1, offset + PAGE
    end
    r.id, r.created = page[at], tonumber(page[at + 1])
    at = at + 2
  end
  r.next()
  return r
end

-- limit application? event? pipelines statuses sources -> rows, newest first. The sources are the
-- indexes that together hold every execution the filter lets through.
local function execution_list(keys, args)
  local p, r, rows = keys[1], reader(args), {}
  local limit, application, event = r.number(), r.maybe(), r.maybe()
  local pipelines, statuses = r.list(r.text), r.list(r.text)
  local walks = r.list(function() return walk(p .. 'index:' .. r.text()) end)
  while #rows < limit do
    local newest = nil
    for _, one in ipairs(walks) do
      if one.id and (not newest or one.created > newest.created
        or (one.created == newest.created and one.id > newest.id)) then
        newest = one
      end
    end
    if not newest then break end
    local id = newest.id
    local row = call('HMGET', p .. 'execution:' .. id, 'application', 'event', 'pipeline', 'status')
    if (not application or application == row[1]) and (not event or event == row[2])
      and (#pipelines == 0 or contains(pipelines, row[3]))
      and (#statuses == 0 or contains(statuses, row[4])) then
      rows[#rows + 1] = view_row(p, id)
    end
    newest.next()
  end
  return rows
end

-- id -> lines
local function execution_timeline(keys, args)
  return call('LRANGE', keys[1] .. 'timeline:' .. args[1], 0, -1)
end

-- id input -> 1 | 0
local function execution_applied(keys, args)
  return call('SISMEMBER', keys[1] .. 'inputs:' .. args[1], args[2])
end

-- id seen? time -> DONE
local function execution_rewake(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local id, seen, time = r.text(), r.maybe(), r.number()
  local wake = call('ZSCORE', p .. 'wakes', id)
  if wake and seen and tonumber(wake) == tonumber(seen) then
    -- The same wake may have been set once more since: then the notice says so.
    local notice = take_notices(p, id)
    call('ZADD', p .. 'wakes', math.min(time, now + WAKE_MAX, notice or time), id)
    ring(p)
  end
  return { 'DONE' }
end

