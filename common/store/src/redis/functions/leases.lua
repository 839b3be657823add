-- Leases.

-- Named as the holder while nothing is given out.
local AFTER_ROLLBACK = '@AFTER_ROLLBACK@'

-- Ahead of the clock, so that a store that went back does not give out what it gave before.
local function next_token(p, now)
  local token = math.max((tonumber(call('GET', p .. 'token')) or 0) + 1, now * TOKENS_PER_MS)
  call('SET', p .. 'token', token)
  return token
end

-- task epoch digest holder ttl
--   -> GRANTED token checkpoint? cancel | BUSY holder | STALE epoch | FINISHED | GONE
local function lease_claim(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local task, epoch, digest, holder, ttl = r.text(), r.number(), r.text(), r.text(), r.number()
  local key = p .. 'lease:' .. task
  local lease = call('HMGET', key, 'epoch', 'digest', 'result', 'holder', 'until', 'token',
    'checkpoint', 'cancel', 'kind', 'execution')
  if not lease[1] then return { 'GONE' } end
  local current = tonumber(lease[1])
  if epoch < current then return { 'STALE', current } end
  -- An epoch nobody committed is as foreign as a digest nobody committed.
  if epoch > current or digest ~= lease[2] then return { 'GONE' } end
  if lease[3] then return { 'FINISHED' } end
  local live = lease[5] and tonumber(lease[5]) > now
  if live and lease[4] ~= holder then return { 'BUSY', lease[4] } end
  if not live and is_quiet(p, now) then return { 'BUSY', AFTER_ROLLBACK } end
  local token = live and tonumber(lease[6]) or next_token(p, now)
  call('HSET', key, 'token', token, 'holder', holder, 'until', now + ttl, 'claimed', 1)
  call('ZREM', p .. 'waiting:' .. lease[9], task)
  call('ZADD', p .. 'running:' .. lease[9], now + ttl, task)
  -- Should the holder fall silent at once, the execution is looked at as soon as that can be known.
  call('ZADD', p .. 'wakes', 'XX', 'LT', now + ttl, lease[10])
  return { 'GRANTED', token, lease[7], tonumber(lease[8]) }
end

-- The lease as its holder knows it: nil when the token is not the current one. `held` is true
-- between a claim and its release or result: a lease that ran out is its holder's until somebody
-- else claims it.
local function of_holder(key, token)
  local row = call('HMGET', key, 'token', 'until', 'result', 'cancel', 'kind', 'execution')
  if row[1] ~= token then return nil end
  return { held = row[2] and not row[3], finished = row[3], reply = { 'HELD', tonumber(row[4]) },
    kind = row[5], execution = row[6] }
end

-- The same checkpoint again is a repeat, and no progress.
local function store_checkpoint(key, checkpoint)
  if checkpoint and call('HGET', key, 'checkpoint') ~= checkpoint then
    call('HSET', key, 'checkpoint', checkpoint)
    call('HINCRBY', key, 'checkpoints', 1)
  end
end

-- Brings the wake of a live execution forward; never back.
local function wake_by(p, id, time)
  call('ZADD', p .. 'wakes', 'XX', 'LT', time, id)
  ring(p)
end

-- task token ttl checkpoint? -> HELD cancel | LOST
local function lease_beat(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local task, token, ttl, checkpoint = r.text(), r.text(), r.number(), r.maybe()
  local key = p .. 'lease:' .. task
  local lease = of_holder(key, token)
  if not (lease and lease.held) then return { 'LOST' } end
  call('HSET', key, 'until', now + ttl)
  call('ZADD', p .. 'running:' .. lease.kind, now + ttl, task)
  store_checkpoint(key, checkpoint)
  return lease.reply
end

-- Ends a holder's time; the execution hears of it at `notice`.
local function end_lease(p, task, lease, notice)
  local key = p .. 'lease:' .. task
  call('HDEL', key, 'until')
  call('HSET', key, 'notice', notice)
  call('ZREM', p .. 'running:' .. lease.kind, task)
  wake_by(p, lease.execution, notice)
end

-- task token result notice -> HELD cancel | LOST
local function lease_finish(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local task, token, result, notice = r.text(), r.text(), r.text(), r.number()
  local lease = of_holder(p .. 'lease:' .. task, token)
  if lease and lease.finished then return lease.reply end
  if not (lease and lease.held) then return { 'LOST' } end
  call('HSET', p .. 'lease:' .. task, 'result', result)
  end_lease(p, task, lease, now + notice)
  return lease.reply
end

-- task token checkpoint? -> HELD cancel | LOST
local function lease_release(keys, args)
  local p, now, r = keys[1], clock(keys[1]), reader(args)
  local task, token, checkpoint = r.text(), r.text(), r.maybe()
  local lease = of_holder(p .. 'lease:' .. task, token)
  if not lease or lease.finished then return { 'LOST' } end
  if lease.held then
    store_checkpoint(p .. 'lease:' .. task, checkpoint)
    end_lease(p, task, lease, now)
  end
  return lease.reply
end

-- Locks.

-- resource execution owner -> GRANTED fence | BUSY owner | GONE
local function lock(keys, args)
  local p, resource, id, owner = keys[1], args[1], args[2], args[3]
  if call('HGET', p .. 'execution:' .. id, 'live') ~= '1' then return { 'GONE' } end
  local key = p .. 'lock:' .. resource
  local held = call('HMGET', key, 'owner', 'execution', 'fence')
  if held[1] then
    if held[1] == owner and held[2] == id then return { 'GRANTED', tonumber(held[3]) } end
    return { 'BUSY', held[1] }
  end
  if is_quiet(p, clock(p)) then return { 'BUSY', AFTER_ROLLBACK } end
  local fence = call('INCR', p .. 'fence')
  call('HSET', key, 'execution', id, 'owner', owner, 'fence', fence)
  call('SADD', p .. 'locks:' .. id, resource)
  return { 'GRANTED', fence }
end

-- resource owner fence -> 1 | 0
local function lock_held(keys, args)
  local held = call('HMGET', keys[1] .. 'lock:' .. args[1], 'owner', 'fence')
  return (held[1] == args[2] and held[2] == args[3]) and 1 or 0
end

-- resource owner fence -> DONE
local function unlock(keys, args)
  local p, key = keys[1], keys[1] .. 'lock:' .. args[1]
  if lock_held(keys, args) == 1 then
    call('SREM', p .. 'locks:' .. call('HGET', key, 'execution'), args[1])
    call('DEL', key)
    ring(p)
  end
  return { 'DONE' }
end

