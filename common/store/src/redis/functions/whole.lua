-- The whole.

-- kinds statuses -> outbox depth, outbox age, events pending, events age, overdue wakes, then
--   { running waiting age } per kind, then the count per status
local function stats(keys, args)
  local p, now, r = keys[1], peek(keys[1]), reader(args)
  local function age(name)
    local head = call('ZRANGE', p .. name, 0, 0, 'WITHSCORES')
    return head[2] and math.max(0, now - tonumber(head[2])) or 0
  end
  local reply = {
    call('ZCARD', p .. 'outbox-age'), age('outbox-age'),
    call('ZCARD', p .. 'events-age'), age('events-age'),
    call('ZCOUNT', p .. 'wakes', '-inf', '(' .. string.format('%.0f', now - OVERDUE)),
  }
  r.list(function()
    local kind = r.text()
    local running = call('ZCOUNT', p .. 'running:' .. kind, '(' .. string.format('%.0f', now), '+inf')
    reply[#reply + 1] = { running, call('ZCARD', p .. 'waiting:' .. kind), age('waiting:' .. kind) }
  end)
  r.list(function() reply[#reply + 1] = call('ZCARD', p .. 'index:status/' .. r.text()) end)
  return reply
end

-- -> time
local function now_ms(keys) return peek(keys[1]) end

-- -> the digest of this text
local function about() return FINGERPRINT end

local function register(name, callback, flags)
  redis.register_function({ function_name = 'bowline_v1_' .. name, callback = callback, flags = flags })
end

for name, callback in pairs({
  pipeline_put = pipeline_put, pipeline_delete = pipeline_delete, event_accept = event_accept,
  event_settle = event_settle, event_defer = event_defer, execution_create = execution_create,
  execution_commit = execution_commit, execution_rewake = execution_rewake, due = due,
  outbox_defer = outbox_defer, lease_claim = lease_claim, lease_beat = lease_beat,
  lease_finish = lease_finish, lease_release = lease_release, lock = lock,
}) do
  register(name, callback, {})
end
-- These only free memory, so they work when it is full.
register('outbox_done', outbox_done, { 'allow-oom' })
register('unlock', unlock, { 'allow-oom' })
for name, callback in pairs({
  pipeline_get = pipeline_get, pipeline_list = pipeline_list, event_get = event_get,
  event_list = event_list, execution_load = execution_load, execution_view = execution_view,
  execution_list = execution_list, execution_timeline = execution_timeline, lock_held = lock_held,
  stats = stats, now_ms = now_ms, about = about,
}) do
  register(name, callback, { 'no-writes' })
end
