"""The persistence window in Lua: one atomic round trip counts, decides and remembers.

`LocalWindow` is its model; a test runs both over the same histories. Three kinds of key, in one cluster slot: `hits` (a
sorted set, tasks of the window), `row` (failures in a row) and `outages` (what is open, for all keys). Everything
expires by itself.
"""

from typing import Final

#: The server's clock counts, because hosts disagree; a test gives its own.
_NOW: Final = """
local now = tonumber(ARGV[1])
if not now then local t = redis.call('TIME'); now = tonumber(t[1]) + tonumber(t[2]) / 1000000 end
"""

#: KEYS: hits, row, outages. ARGV: now, digest, task id, bot, identity (JSON), rule (JSON), limits (JSON), dry.
FAILED: Final = (
    _NOW
    + """
local digest, task, bot, dry = ARGV[2], ARGV[3], ARGV[4], ARGV[8] == '1'
local rule, limits = cjson.decode(ARGV[6]), cjson.decode(ARGV[7])

local function with(bots, name)
  if name == '' or #bots >= limits.bots then return end
  for _, known in ipairs(bots) do if known == name then return end end
  bots[#bots + 1] = name
end

local text = redis.call('HGET', KEYS[3], digest)
local outage = text and cjson.decode(text)
if outage and now - outage.last_seen > limits.forget then
  redis.call('HDEL', KEYS[3], digest)
  text, outage = nil, nil
end

local row = {n = 0, since = now, bots = {}, last = now}
local told = redis.call('GET', KEYS[2])
if told then
  local kept = cjson.decode(told)
  if now - kept.last <= limits.forget then row = kept end
end

-- A member is "task id|bot"; a task that failed before moves, and is not counted again.
local floor, count, new, first = now - rule.seconds, 0, 1, now
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local bots_of, expired = {}, {}
for i = 1, #members, 2 do
  local at, bar = tonumber(members[i + 1]), string.find(members[i], '|', 1, true)
  local name, whose = string.sub(members[i], 1, bar - 1), string.sub(members[i], bar + 1)
  if at <= floor then
    expired[#expired + 1] = members[i]
  elseif name == task then
    new = 0
    expired[#expired + 1] = members[i]
  else
    count = count + 1
    if at < first then first = at end
    bots_of[#bots_of + 1] = whose
  end
end
count = count + 1
bots_of[#bots_of + 1] = bot

row.n, row.last = row.n + new, now
with(row.bots, bot)

local tell = false
if outage then
  tell = now - outage.told_at >= rule.cooldown
  outage.total, outage.last_seen = outage.total + new, now
  if tell then outage.told_at = now end
  with(outage.bots, bot)
elseif count >= rule.count or (row.n >= rule.sparse_count and now - row.since >= rule.sparse_seconds) then
  tell = true
  outage = cjson.decode(ARGV[5])
  outage.first_seen, outage.last_seen, outage.told_at, outage.bots = first, now, now, row.bots
  outage.total = count
  if count >= rule.count then
    for _, whose in ipairs(bots_of) do with(outage.bots, whose) end
  else
    outage.first_seen, outage.total = row.since, row.n
  end
end

if not dry then
  for _, member in ipairs(expired) do redis.call('ZREM', KEYS[1], member) end
  redis.call('ZADD', KEYS[1], now, task .. '|' .. bot)
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -limits.hits - 1)
  redis.call('EXPIRE', KEYS[1], math.ceil(rule.seconds) + 1)
  redis.call('SET', KEYS[2], cjson.encode(row), 'EX', limits.forget)
  if outage and (text or redis.call('HLEN', KEYS[3]) < limits.outages) then
    redis.call('HSET', KEYS[3], digest, cjson.encode(outage))
    redis.call('EXPIRE', KEYS[3], limits.forget)
  end
end
return {tell and 1 or 0, count, outage and cjson.encode(outage) or ''}
"""
)

#: KEYS: hits, row, outages. ARGV: now, digest, calm seconds, forget seconds. Answers: {what, JSON or seconds}.
WORKED: Final = (
    _NOW
    + """
local text = redis.call('HGET', KEYS[3], ARGV[2])
local outage = text and cjson.decode(text)
if not outage or now - outage.last_seen > tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[2])
  if text then redis.call('HDEL', KEYS[3], ARGV[2]) end
  return {'nothing', ''}
end
local calm_in = outage.last_seen + tonumber(ARGV[3]) - now
if calm_in > 0 then return {'wait', tostring(calm_in)} end
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2])
return {'ended', text}
"""
)
