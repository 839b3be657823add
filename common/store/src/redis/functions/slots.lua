-- Slots.

-- Brings the wake of a live execution forward to `time`. The notice makes it last: a transition that
-- was computed before and comes after takes it up.
local function nudge(p, id, time)
  if not call('ZSCORE', p .. 'wakes', id) then return end
  call('ZADD', p .. 'wakes', 'LT', time, id)
  local key = p .. 'execution:' .. id
  call('HSET', key, 'notice', math.min(number(key, 'notice') or time, time))
  ring(p)
end

-- Whoever waits for a slot of the pipeline looks now.
local function wake_waiters(p, now, pipeline)
  for _, id in ipairs(call('ZRANGE', p .. 'waiters:' .. pipeline, 0, -1)) do nudge(p, id, now) end
end

-- HOLDS | WAITS | NONE
local function slot_state(p, pipeline, id)
  if call('ZSCORE', p .. 'holders:' .. pipeline, id) then return 'HOLDS' end
  if call('ZSCORE', p .. 'waiters:' .. pipeline, id) then return 'WAITS' end
  return 'NONE'
end

local function has_free_slot(p, pipeline, limit)
  return not limit or call('ZCARD', p .. 'holders:' .. pipeline) < limit
end

-- What a live execution has after a transition. One of an older version of this library, which
-- knew no slots, holds one from its next transition on.
local function change_slot(p, now, id, pipeline, change)
  local state = slot_state(p, pipeline, id)
  if state == 'NONE' then
    local place = call('INCR', p .. 'slot')
    if change == 'WAIT' then
      call('ZADD', p .. 'waiters:' .. pipeline, place, id)
      call('ZADD', p .. 'waiting-age', now, id)
    else
      call('ZADD', p .. 'holders:' .. pipeline, place, id)
    end
  elseif state == 'WAITS' and change == 'TAKE' then
    local place = call('ZSCORE', p .. 'waiters:' .. pipeline, id)
    call('ZREM', p .. 'waiters:' .. pipeline, id)
    call('ZREM', p .. 'waiting-age', id)
    call('ZADD', p .. 'holders:' .. pipeline, place, id)
    wake_waiters(p, now, pipeline)
  end
end

-- Frees slot or place.
local function leave_slot(p, now, id, pipeline)
  if slot_state(p, pipeline, id) == 'NONE' then return end
  call('ZREM', p .. 'holders:' .. pipeline, id)
  call('ZREM', p .. 'waiters:' .. pipeline, id)
  call('ZREM', p .. 'waiting-age', id)
  wake_waiters(p, now, pipeline)
end

-- -> state, holders, waiters; each list: id number id number …; one that holds sees only itself
local function slot_row(p, pipeline, id)
  local state = slot_state(p, pipeline, id)
  if state == 'HOLDS' then
    return { state, { id, call('ZSCORE', p .. 'holders:' .. pipeline, id) }, {} }
  end
  return { state, call('ZRANGE', p .. 'holders:' .. pipeline, 0, -1, 'WITHSCORES'),
    call('ZRANGE', p .. 'waiters:' .. pipeline, 0, -1, 'WITHSCORES') }
end

