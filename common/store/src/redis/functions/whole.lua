-- The whole.

-- kinds statuses -> outbox depth, outbox age, events pending, events age, overdue wakes, waiters,
--   waiters age, then { running waiting age } per kind, then the count per status
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
    call('ZCARD', p .. 'waiting-age'), age('waiting-age'),
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
  redis.register_function({ function_name = 'bowline_v3_' .. name, callback = callback, flags = flags })
end

register('pipeline_put', pipeline_put, {})
register('pipeline_delete', pipeline_delete, {})
register('event_accept', event_accept, {})
register('event_settle', event_settle, {})
register('event_defer', event_defer, {})
register('execution_create', execution_create, {})
register('execution_commit', execution_commit, {})
register('execution_rewake', execution_rewake, {})
register('due', due, {})
register('outbox_defer', outbox_defer, {})
register('lease_claim', lease_claim, {})
register('lease_beat', lease_beat, {})
register('lease_finish', lease_finish, {})
register('lease_release', lease_release, {})
register('lock', lock, {})
-- These only free memory, so they work when it is full.
register('outbox_done', outbox_done, { 'allow-oom' })
register('execution_remove', execution_remove, { 'allow-oom' })
register('expire', expire, { 'allow-oom' })
register('unlock', unlock, { 'allow-oom' })
-- A replica may answer these.
register('pipeline_get', pipeline_get, { 'no-writes' })
register('pipeline_list', pipeline_list, { 'no-writes' })
register('event_get', event_get, { 'no-writes' })
register('event_list', event_list, { 'no-writes' })
register('execution_load', execution_load, { 'no-writes' })
register('execution_view', execution_view, { 'no-writes' })
register('execution_list', execution_list, { 'no-writes' })
register('execution_timeline', execution_timeline, { 'no-writes' })
register('executions_finished', executions_finished, { 'no-writes' })
register('lock_held', lock_held, { 'no-writes' })
register('stats', stats, { 'no-writes' })
register('now_ms', now_ms, { 'no-writes' })
register('about', about, { 'no-writes' })
