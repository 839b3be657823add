-- Events.

local function event_row(p, key)
  local row = call('HMGET', p .. 'event:' .. key, 'body', 'accepted', 'since', 'tries',
    'note', 'outcome')
  if not row[1] then return nil end
  return { key, row[1], row[2], row[3], row[4], row[5], row[6] }
end

local function is_pending(p, key)
  local row = event_row(p, key)
  return row and not row[7]
end

-- Whether a definition is indexed under any of these keys.
local function is_keyed(p, keys)
  for _, key in ipairs(keys) do
    if call('EXISTS', p .. 'keyed:' .. key) == 1 then return true end
  end
  return false
end

-- An event to accept: key body not-before? keys.
local function read_event(r)
  return { key = r.text(), body = r.text(), at = tonumber(r.maybe() or nil), keys = r.list(r.text) }
end

-- NEW | DUPLICATE | UNWANTED
local function accept(p, now, event)
  local key = event.key
  if call('EXISTS', p .. 'event:' .. key) == 1 then return 'DUPLICATE' end
  if #event.keys > 0 and not is_keyed(p, event.keys) then return 'UNWANTED' end
  local since = math.max(now, event.at or now)
  call('HSET', p .. 'event:' .. key, 'body', event.body, 'accepted', now, 'since', since, 'tries', 0)
  call('ZADD', p .. 'events', call('INCR', p .. 'event'), key)
  call('ZADD', p .. 'events-due', since, key)
  call('ZADD', p .. 'events-age', since, key)
  ring(p)
  return 'NEW'
end

-- event -> NEW | DUPLICATE | UNWANTED
local function event_accept(keys, args)
  return { accept(keys[1], clock(keys[1]), read_event(reader(args))) }
end

-- key outcome events -> DONE
local function event_settle(keys, args)
  local p, r = keys[1], reader(args)
  local key, outcome = r.text(), r.text()
  if is_pending(p, key) then
    local now = clock(p)
    call('HSET', p .. 'event:' .. key, 'outcome', outcome)
    call('ZREM', p .. 'events-due', key)
    call('ZREM', p .. 'events-age', key)
    r.list(function() accept(p, now, read_event(r)) end)
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
