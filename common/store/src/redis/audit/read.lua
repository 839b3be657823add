#!lua flags=no-writes
-- Reads subjects with all that must agree with them, in one step. Run by EVAL_RO, so that the
-- server itself sees to it that nothing is changed, and no library has to carry it.
--
-- KEYS[1] is the prefix (see base.lua for the keys behind it). Arguments: a count and the statuses,
-- a count and the kinds of tasks, the most holders of a pipeline, a count and the subjects. Reply: the moment, then for each subject
-- nil (it is gone), { 'TYPE', found } or { 'ROW', ... } as `decode.rs` reads it.

local p = KEYS[1]

-- What the server refuses (a key of another type) is nothing here: the walk tells of the key.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then return false end
  return reply
end

local at = 0
local function text()
  at = at + 1
  return ARGV[at]
end
local function list()
  local items = {}
  for i = 1, tonumber(text()) do items[i] = text() end
  return items
end

local function hash(key) return ask('HGETALL', key) or {} end

-- Without the bodies, which are large.
local ROW = { 'application', 'pipeline', 'event', 'status', 'live', 'version', 'schema', 'created',
  'ended' }
local function execution_row(id)
  local values = ask('HMGET', p .. 'execution:' .. id, unpack(ROW)) or {}
  local flat = {}
  for i, name in ipairs(ROW) do
    if values[i] then
      flat[#flat + 1] = name
      flat[#flat + 1] = values[i]
    end
  end
  return flat
end

-- Adds { kind, list, member, value } when the member is there.
local function add_score(places, name, key, member)
  local score = ask('ZSCORE', p .. key, member)
  if score then places[#places + 1] = { name, key, member, score } end
end
local function add_member(places, name, key, member)
  if ask('SISMEMBER', p .. key, member) == 1 then places[#places + 1] = { name, key, member, '' } end
end

local statuses, kinds, HOLDERS_MAX = list(), list(), tonumber(text())
local read = {}

function read.execution(id)
  local places, tasks, locks, seen = {}, {}, {}, {}
  local row = ask('HMGET', p .. 'execution:' .. id, 'application', 'pipeline', 'event')
  local function index(name)
    if not seen[name] then add_score(places, 'index', 'index:' .. name, id) end
    seen[name] = true
  end
  index('all')
  index('application/' .. (row[1] or ''))
  index('pipeline/' .. (row[2] or ''))
  index('event/' .. (row[3] or ''))
  for _, status in ipairs(statuses) do index('status/' .. status) end
  add_score(places, 'wakes', 'wakes', id)
  add_score(places, 'holders', 'holders:' .. (row[2] or ''), id)
  add_score(places, 'waiters', 'waiters:' .. (row[2] or ''), id)
  add_score(places, 'waiting-age', 'waiting-age', id)
  for _, task in ipairs(ask('SMEMBERS', p .. 'tasks:' .. id) or {}) do
    tasks[#tasks + 1] = { task, hash(p .. 'lease:' .. task) }
  end
  for _, resource in ipairs(ask('SMEMBERS', p .. 'locks:' .. id) or {}) do
    locks[#locks + 1] = { resource, hash(p .. 'lock:' .. resource) }
  end
  return { hash(p .. 'execution:' .. id), places, tasks, locks,
    ask('SCARD', p .. 'inputs:' .. id) or 0, ask('LRANGE', p .. 'timeline:' .. id, 0, -1) or {},
    ask('EXISTS', p .. 'event:' .. (row[3] or '')) }
end

function read.event(key)
  local places = {}
  for _, name in ipairs({ 'events', 'events-due', 'events-age' }) do add_score(places, name, name, key) end
  return { hash(p .. 'event:' .. key), places }
end

function read.outbox(id)
  local places = {}
  for _, name in ipairs({ 'outbox-due', 'outbox-age' }) do add_score(places, name, name, id) end
  return { hash(p .. 'outbox:' .. id), places }
end

function read.lease(task)
  local places, id = {}, string.match(task, '^[^/]*')
  for _, kind in ipairs(kinds) do
    add_score(places, 'waiting', 'waiting:' .. kind, task)
    add_score(places, 'running', 'running:' .. kind, task)
  end
  add_member(places, 'tasks', 'tasks:' .. id, task)
  return { hash(p .. 'lease:' .. task), places, execution_row(id) }
end

function read.lock(resource)
  local places, id = {}, ask('HGET', p .. 'lock:' .. resource, 'execution') or ''
  add_member(places, 'locks', 'locks:' .. id, resource)
  return { hash(p .. 'lock:' .. resource), places, execution_row(id) }
end

function read.pipeline(id)
  local places, row = {}, ask('HMGET', p .. 'pipeline:' .. id, 'application', 'name', 'keys')
  add_member(places, 'pipelines', 'pipelines', id)
  add_score(places, 'indexed', 'indexed', id)
  local decoded, index = pcall(cjson.decode, row[3] or '[]')
  for _, name in ipairs(decoded and index or {}) do add_member(places, 'keyed', 'keyed:' .. name, id) end
  local key = 'names:' .. (row[1] or '')
  local named = ask('HGET', p .. key, row[2] or '')
  if named then places[#places + 1] = { 'names', key, row[2], named } end
  local holders = {}
  for _, holder in ipairs(ask('ZRANGE', p .. 'holders:' .. id, 0, HOLDERS_MAX - 1) or {}) do
    holders[#holders + 1] = { holder, execution_row(holder) }
  end
  return { hash(p .. 'pipeline:' .. id), places, holders }
end

local function row_of(family, name)
  local key = p .. family .. ':' .. name
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return false end
  if found ~= 'hash' then return { 'TYPE', found } end
  return { 'ROW', read[family](name) }
end

-- How to look a member up, by the type of the key that lists it; false when it is not there.
local look = {}
function look.zset(key, member) return ask('ZSCORE', p .. key, member) end
function look.set(key, member) return ask('SISMEMBER', p .. key, member) == 1 and '' end
function look.hash(key, member) return ask('HGET', p .. key, member) end
function look.own(key) return ask('EXISTS', p .. key) == 1 and '' end

-- type key member family name: a member of a list, and the row it is of.
local function entry(kind, key, member, family, name)
  local value = look[kind](key, member)
  if not value then return false end
  if kind == 'hash' then name = value end
  local owner = p .. family .. ':' .. name
  if ask('TYPE', owner).ok ~= 'hash' then return { 'ROW', { value, {} } } end
  return { 'ROW', { value, family == 'execution' and execution_row(name) or hash(owner) } }
end

local time = redis.call('TIME')
local reply = { { time[1], time[2] } }
for _, name in ipairs({ 'clock', 'token', 'fence', 'event', 'slot' }) do
  reply[1][#reply[1] + 1] = ask('GET', p .. name)
end
for _ = 1, tonumber(text()) do
  local kind = text()
  if kind == 'entry' then
    reply[#reply + 1] = entry(text(), text(), text(), text(), text())
  elseif kind == 'type' then
    local found = redis.call('TYPE', p .. text()).ok
    reply[#reply + 1] = found ~= 'none' and { 'TYPE', found }
  elseif kind == 'clock' then
    reply[#reply + 1] = { 'ROW', {} }
  else
    reply[#reply + 1] = row_of(kind, text())
  end
end
return reply
