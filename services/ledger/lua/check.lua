-- check(worker, cursor, wants, then for each opinion: round, slot, codes): work and valid_ms of each check given.
--
-- A check asks another worker, with the same kernel, for the codes of a committed slot. Two that agree (within one code
-- step for each probe) settle it. Else more are asked, until one opinion leads the next by two, or nobody is left to
-- ask and it leads at all: those that hold it have agreed, the others differed. To agree is a point to a worker's
-- credit, of at most CREDIT; to differ costs all of them, and a worker that differed twice and is below nothing then is
-- in quarantine: it gets no more work, and nothing of it is taken. So a long past of good codes buys nobody a bad future.
local CREDIT = 4
local PLACES = 200 -- bytes of "round/slot round/slot ..." that are remembered of what a worker differed in
local state = load_state()
local worker, cursor, wants = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not state then
  return no_run()
end
local about = redis.call('HMGET', WORKERS, worker .. WORKER_NAME, worker .. WORKER_QUARANTINED,
                         worker .. WORKER_KERNEL, worker .. WORKER_LEFT, worker .. WORKER_DIFFERED_AT)
if not about[1] then
  return no_worker(worker)
end
if about[2] then
  return redis.error_reply('FORBIDDEN worker ' .. worker .. ' is in quarantine since round ' .. about[2] ..
                           ': others computed other codes for what it did (round/slot: ' .. (about[5] or '') .. ')')
end
local now = now_ms()

-- ---- opinions ----

local function place(code)
  return code < 128 and code or 128 - code
end

local function agree(a, b)
  for i = 1, math.max(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if not x or not y or (x == 128) ~= (y == 128) or math.abs(place(x) - place(y)) > 1 then
      return false
    end
  end
  return true
end

local function find(opinions, of)
  for _, opinion in ipairs(opinions) do
    if opinion[1] == of then
      return opinion
    end
  end
end

-- Is there an active worker with this kernel that was not asked yet?
local function someone_left(opinions, kernel)
  local all, others = redis.call('HGETALL', WORKERS), {}
  for i = 1, #all, 2 do
    local number, field = string.match(all[i], '^(%d+)(:.*)$')
    others[number] = others[number] or {}
    others[number][field] = all[i + 1]
  end
  for number, other in pairs(others) do
    if other[WORKER_NAME] and not other[WORKER_LEFT] and other[WORKER_KERNEL] == kernel and
       now - tonumber(other[WORKER_SEEN] or 0) <= GONE_LEASES * state.lease_ms and not find(opinions, number) then
      return true
    end
  end
  return false
end

-- The opinions that agree with number i.
local function side_of(opinions, i)
  local side = {count = 0}
  for j, opinion in ipairs(opinions) do
    if agree(opinions[i][2], opinion[2]) then
      side[j] = true
      side.count = side.count + 1
    end
  end
  return side
end

-- Whom the opinions speak for, or nil while they are divided.
local function verdict(opinions, kernel)
  local best, next_count = {count = 0}, 0
  for i = 1, #opinions do
    local side = side_of(opinions, i)
    if side.count > best.count then
      best = side
    end
  end
  for i = 1, #opinions do
    if not best[i] then
      next_count = math.max(next_count, side_of(opinions, i).count)
    end
  end
  local lead = best.count - next_count
  return (lead >= 2 or (lead == 1 and not someone_left(opinions, kernel))) and best or nil
end

local function quarantine(of, round)
  redis.call('HSET', WORKERS, of .. WORKER_QUARANTINED, round, of .. WORKER_LEFT, '1')
  for _, work in ipairs(holdings()[of] or {}) do
    give_back(work)
  end
end

local function blame(of, round, slot)
  local was = redis.call('HMGET', WORKERS, of .. WORKER_STANDING, of .. WORKER_DIFFERED_AT, of .. WORKER_QUARANTINED)
  local standing, places = tonumber(was[1] or 0) - CREDIT, (was[2] and was[2] .. ' ' or '') .. round .. '/' .. slot
  redis.call('HSET', WORKERS, of .. WORKER_STANDING, standing)
  if #places <= PLACES then
    redis.call('HSET', WORKERS, of .. WORKER_DIFFERED_AT, places)
  end
  if redis.call('HINCRBY', WORKERS, of .. WORKER_DIFFERED, 1) >= 2 and standing < 0 and not was[3] then
    quarantine(of, text(state.head))
  end
end

local function praise(of)
  local standing = tonumber(redis.call('HGET', WORKERS, of .. WORKER_STANDING) or 0)
  redis.call('HSET', WORKERS, of .. WORKER_STANDING, math.min(standing + 1, CREDIT))
  redis.call('HINCRBY', WORKERS, of .. WORKER_AGREED, 1)
end

local function judge(opinions, best, round, slot)
  for i, opinion in ipairs(opinions) do
    if best[i] then
      praise(opinion[1])
    else
      blame(opinion[1], round, slot)
    end
  end
end

local function take_opinion(round, slot, codes)
  local work = KIND_CHECK .. ':' .. round .. ':' .. slot
  local packed = redis.call('HGET', CHECKS, work)
  if not packed or redis.call('HGET', HOLDERS, work) ~= worker then
    return -- settled, or its lease was over
  end
  finish(work)
  local kernel, opinions = unpack(cmsgpack.unpack(packed))
  opinions[#opinions + 1] = {worker, codes}
  local best = verdict(opinions, kernel)
  if best then
    redis.call('HDEL', CHECKS, work)
    judge(opinions, best, round, slot)
  else
    redis.call('HSET', CHECKS, work, cmsgpack.pack({kernel, opinions}))
    redis.call('ZADD', DUE, turn_of(work), work)
  end
end

for i = 4, #ARGV, 3 do
  take_opinion(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end

-- ---- leases ----

local function may_check(work)
  local kernel, opinions = unpack(cmsgpack.unpack(redis.call('HGET', CHECKS, work)))
  local _, round = parse(work)
  return round <= cursor and not find(opinions, worker) and kernel == about[3]
end

local given = {}
if state.status == STATUS_PAUSED or about[4] or redis.call('HEXISTS', WORKERS, worker .. WORKER_QUARANTINED) == 1 then
  return given
end
for _, work in ipairs(redis.call('ZREVRANGE', DUE, 0, 63)) do -- the newest: old ones may wait for a kernel
  if #given < 2 * wants and may_check(work) then
    local valid = math.min(state.lease_ms * (#given / 2 + 1), 4294967295)
    redis.call('ZREM', DUE, work)
    redis.call('ZADD', LEASES, text(now + valid), work)
    redis.call('HSET', HOLDERS, work, worker)
    given[#given + 1] = work
    given[#given + 1] = valid
  end
end
return given
