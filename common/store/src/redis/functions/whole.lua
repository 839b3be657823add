-- The whole.

-- kinds statuses -> outbox depth, outbox age, events pending, events age, overdue wakes, waiters,
--   waiters age, then { running waiting age } per kind, then the count per status, then rollbacks
local function stats(keys, args)
  local p, now, r = keys[1], peek(keys[1]), reader(args)
  local function age(name)
    local head = call('ZRANGE', p .. name, 0, 0, 'WITHSCORES')
    return head[2] and math.max(0, now - tonumber(head[2])) or 0
  end
  local reply = {
    call('ZCARD', p .. 'outbox-age'), age('outbox-age'),
    call('ZCOUNT', p .. 'events-age', '-inf', string.format('%.0f', now)), age('events-age'),
    call('ZCOUNT', p .. 'wakes', '-inf', '(' .. string.format('%.0f', now - OVERDUE)),
    call('ZCARD', p .. 'waiting-age'), age('waiting-age'),
  }
  r.list(function()
    local kind = r.text()
    local running = call('ZCOUNT', p .. 'running:' .. kind, '(' .. string.format('%.0f', now), '+inf')
    reply[#reply + 1] = { running, call('ZCARD', p .. 'waiting:' .. kind), age('waiting:' .. kind) }
  end)
  r.list(function() reply[#reply + 1] = call('ZCARD', p .. 'index:status/' .. r.text()) end)
  reply[#reply + 1] = tonumber(call('GET', p .. 'rollbacks')) or 0
  return reply
end

-- -> time
local function now_ms(keys) return peek(keys[1]) end

-- -> the form of the data: '' when there is none, '?' when it was written before forms had a name
local function format(keys)
  local found = call('GET', keys[1] .. 'format')
  if found then return found end
  return call('EXISTS', keys[1] .. 'history') == 1 and '?' or ''
end

-- -> the digest of this text
local function about() return FINGERPRINT end

local function library(name, callback, flags)
  redis.register_function({ function_name = 'bowline_v4_' .. name, callback = callback, flags = flags })
end

-- A reply with how far history is, and with how much of it is gone if this call found that out.
local function told(sequence, reply, lost)
  if reply == nil then reply = false end
  return { sequence, reply, lost }
end

local function writes(name, callback, flags)
  library(name, function(keys, args)
    local sequence, lost = write_history(keys[1], tonumber(table.remove(args, 1)))
    return told(sequence, callback(keys, args), lost)
  end, flags)
end

local function reads(name, callback)
  library(name, function(keys, args)
    table.remove(args, 1)
    return told(tonumber(call('GET', keys[1] .. 'history')) or 0, callback(keys, args))
  end, { 'no-writes' })
end

writes('pipeline_put', pipeline_put, {})
writes('pipeline_delete', pipeline_delete, {})
writes('pipeline_index', pipeline_index, {})
writes('event_accept', event_accept, {})
writes('event_settle', event_settle, {})
writes('event_defer', event_defer, {})
writes('execution_create', execution_create, {})
writes('execution_commit', execution_commit, {})
writes('execution_rewake', execution_rewake, {})
writes('due', due, {})
writes('outbox_defer', outbox_defer, {})
writes('lease_claim', lease_claim, {})
writes('lease_beat', lease_beat, {})
writes('lease_finish', lease_finish, {})
writes('lease_release', lease_release, {})
writes('lock', lock, {})
-- These only free memory, so they work when it is full.
writes('outbox_done', outbox_done, { 'allow-oom' })
writes('execution_remove', execution_remove, { 'allow-oom' })
writes('expire', expire, { 'allow-oom' })
writes('unlock', unlock, { 'allow-oom' })
-- A replica may answer these.
reads('pipeline_get', pipeline_get)
reads('pipeline_list', pipeline_list)
reads('pipelines_keyed', pipelines_keyed)
reads('pipelines_indexed_otherwise', pipelines_indexed_otherwise)
reads('event_get', event_get)
reads('event_list', event_list)
reads('execution_load', execution_load)
reads('execution_view', execution_view)
reads('execution_list', execution_list)
reads('execution_timeline', execution_timeline)
reads('execution_applied', execution_applied)
reads('executions_finished', executions_finished)
reads('lock_held', lock_held)
reads('stats', stats)
reads('now_ms', now_ms)
library('about', about, { 'no-writes' })
library('format', format, { 'no-writes' })
