#!lua name=bowline_v4
-- The store's rules on Redis. Every function is one atomic step of the protocol.
--
-- Called as FCALL bowline_v4_<name> 1 <prefix> <seen> <arguments>. The prefix ends with ':' and
-- carries the hash tag {bowline}; every key begins with it, so that an ACL can be written by key and
-- all of a world lies in one slot. Replies are { history, reply, lost? }: how many writes there were,
-- the function's own reply, and how many writes are gone if this call found that some are. A
-- function's reply is an array that begins with a word, or rows; absent text is nil. A text that may
-- be absent is sent as '' (absent) or '=' and the text.
--
-- Keys (after the prefix):
--   clock token fence event slot     STRING  latest time written; counters
--   history rollbacks quiet          STRING  writes; how often some were lost; no lease until then
--   format                           STRING  the form of all that follows
--   pipeline:<id>                    HASH    application name body version updated index keys (JSON)
--   pipelines                        SET     ids             names:<application> HASH name -> id
--   keyed:<key> SET pipeline ids     indexed ZSET pipeline ids by the version of their index
--   event:<key>                      HASH    body accepted since tries note outcome
--   events | events-due | events-age ZSET    by acceptance | unsettled by due time | by since
--   execution:<id>                   HASH    application pipeline event status live version schema
--                                            document view created ended notice
--   inputs:<id> SET   timeline:<id> LIST "version time body"   tasks:<id> SET   locks:<id> SET
--   index:<name>                     ZSET    execution ids by creation time
--   wakes                            ZSET    live executions by wake
--   holders:<pipeline> waiters:<pipeline>    ZSET    live executions by number
--   waiting-age                      ZSET    waiters of all pipelines by when they began to wait
--   removed                          ZSET    ids of removed executions by when that was
--   lease:<task>                     HASH    execution kind digest epoch dispatched claimed holder
--                                            until token checkpoints checkpoint result cancel notice
--   waiting:<kind> running:<kind>    ZSET    tasks by dispatch time | by end of lease
--   lock:<resource>                  HASH    execution owner fence
--   outbox:<id>                      HASH    route body task epoch
--   outbox-due outbox-age            ZSET    by due time | by age
-- PUBLISH on the channel <prefix>bell says that somebody may be waiting for what was done.

-- While the library is loaded there is nothing but `redis`, so no call is made here.
local WAKE_MAX = @WAKE_MAX_MS@
local DOCUMENT_MAX = @DOCUMENT_BYTES_MAX@
local OVERDUE = @OVERDUE_MS@
local QUIET = @QUIET_MS@
local TOKENS_PER_MS = @TOKENS_PER_MS@
local FINGERPRINT = '@FINGERPRINT@'
local FORMAT = '@FORMAT@'

local function call(...) return redis.call(...) end

-- The latest time given out by this process, by prefix. With the stored clock it makes time
-- monotonic: the variable covers reads, which store nothing, the key covers restarts.
local latest = {}

local function peek(p)
  local time = call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  now = math.max(now, latest[p] or 0, tonumber(call('GET', p .. 'clock')) or 0)
  latest[p] = now
  return now
end

local function clock(p)
  local now = peek(p)
  call('SET', p .. 'clock', now)
  return now
end

local function ring(p)
  call('PUBLISH', p .. 'bell', '1')
end

-- Arguments in order; numbers and counted lists.
local function reader(args)
  local at = 0
  local r = {}
  function r.text()
    at = at + 1
    return args[at]
  end
  function r.number() return tonumber(r.text()) end
  function r.maybe()
    local text = r.text()
    if text == '' then return nil end
    return string.sub(text, 2)
  end
  function r.list(read)
    local items = {}
    for i = 1, r.number() do items[i] = read() end
    return items
  end
  return r
end

local function contains(list, item)
  for _, one in ipairs(list) do
    if one == item then return true end
  end
  return false
end

local function number(key, field) return tonumber(call('HGET', key, field)) end

-- Counts a write. `seen` is how many the caller knows of: more than there are means that the server
-- has gone back in time (a backup, a replica that lagged), and writes it had acknowledged are gone.
-- Somebody may work under a lease which is not known any more; until he has noticed, none is given.
local function write_history(p, seen)
  local count = call('INCR', p .. 'history')
  if count == 1 then call('SET', p .. 'format', FORMAT) end
  if count > seen then return count, nil end
  call('SET', p .. 'history', seen + 1)
  call('INCR', p .. 'rollbacks')
  call('SET', p .. 'quiet', clock(p) + QUIET)
  return seen + 1, seen - count + 1
end

local function is_quiet(p, now)
  return now < (tonumber(call('GET', p .. 'quiet')) or 0)
end
