-- Stands before every function of the ledger, and after the names of keys, fields and statuses (libs/store/schema.h).
-- docs/formats/redis.md says what stands in each key.
--
-- A piece of work is "s:ROUND:SLOT", "e:ROUND:CHUNK" or "v:ROUND:SLOT"; it is in `free` (a check: in `due`), in
-- `leases`, or done, never in two of them.
-- Every function may be called again with the same arguments: the second time changes nothing.

-- tostring() has 14 digits, and sums of losses have more; %d is exact to 2^53, and four times as quick as %.0f.
local function text(number)
  return string.format('%d', number)
end

-- A call with as many members as there are, in portions that Lua's stack holds; even, so that pairs stay together.
local PORTION = 4000

local function call_many(command, key, members)
  for from = 1, #members, PORTION do
    redis.call(command, key, unpack(members, from, math.min(from + PORTION - 1, #members)))
  end
end

-- The values of many fields of a hash, false where there is none.
local function get_many(key, fields)
  local values = {}
  for from = 1, #fields, PORTION do
    local some = redis.call('HMGET', key, unpack(fields, from, math.min(from + PORTION - 1, #fields)))
    for i = 1, #some do
      values[#values + 1] = some[i]
    end
  end
  return values
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- nil: there is no such run
local function load_state()
  local values = redis.call('HMGET', STATE, STATE_STATUS, STATE_CHAIN, STATE_HEAD, STATE_ROUNDS, STATE_SLOTS,
                            STATE_EVERY, STATE_CHUNKS, STATE_LEASE_MS, STATE_QUORUM, STATE_QUORUM_MS, STATE_OPENED,
                            STATE_CLOSED, STATE_PAST)
  if not values[1] then
    return nil
  end
  for i = 3, #values do
    values[i] = tonumber(values[i])
  end
  return {status = values[1], chain = values[2], head = values[3], rounds = values[4], slots = values[5],
          every = values[6], chunks = values[7], lease_ms = values[8], quorum = values[9], quorum_ms = values[10],
          opened = values[11], closed = values[12], past = values[13]}
end

local function no_run()
  return redis.error_reply('NOT_FOUND there is no such run')
end

local function no_worker(worker)
  return redis.error_reply('NOT_FOUND the run has no worker ' .. worker .. '; join it first')
end

local function is_worker(worker)
  return redis.call('HEXISTS', WORKERS, worker .. WORKER_NAME) == 1
end

-- Evaluations of the state before a round come before its slots, older rounds before younger ones.
local function first_turn(kind, round)
  return (2 * round + (kind == 's' and 1 or 0)) * 4096
end

local function turn_of(work)
  local kind, round, index = string.match(work, '^(%a):(%d+):(%d+)$')
  return text(first_turn(kind, tonumber(round)) + tonumber(index))
end

local function add_work(kind, round, count)
  local members, first, name = {}, first_turn(kind, round), kind .. ':' .. text(round) .. ':'
  for index = 0, count - 1 do
    members[2 * index + 1] = text(first + index)
    members[2 * index + 2] = name .. index
  end
  call_many('ZADD', FREE, members)
end

-- What can be done once `head` rounds are committed. Slots come only while there are rounds to fill.
local function open_round(state, head)
  if head < state.past then
    return
  end
  if state.every > 0 and (head % state.every == 0 or head == state.rounds) then
    add_work('e', head, state.chunks)
  end
  if head < state.rounds then
    add_work('s', head, state.slots)
    if state.quorum > 0 then
      redis.call('HSET', STATE, STATE_OPENED, text(now_ms()))
    end
  end
end

local function give_back(work)
  redis.call('ZREM', LEASES, work)
  redis.call('HDEL', HOLDERS, work)
  redis.call('ZADD', string.sub(work, 1, 1) == 'v' and DUE or FREE, turn_of(work), work)
end

-- true where it was there to be done
local function finish(work)
  local found = redis.call('ZREM', FREE, work) + redis.call('ZREM', LEASES, work)
  redis.call('HDEL', HOLDERS, work)
  return found > 0
end

-- A deadline further off than the longest lease is from before the clock went back: it counts anew.
local function bring_near(now)
  local furthest = now + tonumber(redis.call('HGET', STATE, STATE_LEASE_MS)) * redis.call('ZCARD', LEASES)
  for _, work in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '(' .. text(furthest), '+inf')) do
    redis.call('ZADD', LEASES, text(furthest), work)
  end
end

local function expire(now)
  bring_near(now)
  local late = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now))
  for _, work in ipairs(late) do
    give_back(work)
  end
  if #late > 0 then
    redis.call('HINCRBY', STATE, STATE_LOST_LEASES, #late)
  end
end

-- A quorum is in and its time is over: the round takes no more slots. It is written down, as what is full stays so.
local function close(state, filled)
  if state.quorum == 0 or filled < state.quorum then
    return false
  end
  local now = now_ms()
  if state.opened > now then -- the clock went back
    redis.call('HSET', STATE, STATE_OPENED, text(now))
    state.opened = now
  end
  if now - state.opened < state.quorum_ms then
    return false
  end
  redis.call('HSET', STATE, STATE_CLOSED, text(state.head))
  state.closed = state.head
  return true
end

-- Full: it wants a commit, and nothing of it changes until then.
local function is_full(state)
  if state.head >= state.rounds or state.head < state.past then
    return false
  end
  local filled = redis.call('HLEN', OPEN)
  return filled == state.slots or state.closed == state.head or close(state, filled)
end

-- Up to `count` pieces of free work whose turn is in between, and `at`: the next of them to be given.
local function first_free(from, to, count)
  local found = count > 0 and redis.call('ZRANGEBYSCORE', FREE, from, to, 'LIMIT', 0, count) or {}
  found.at = 1
  return found
end

-- worker -> the work it holds
local function holdings()
  local held = {}
  local all = redis.call('HGETALL', HOLDERS)
  for i = 1, #all, 2 do
    local worker = all[i + 1]
    held[worker] = held[worker] or {}
    table.insert(held[worker], all[i])
  end
  for _, works in pairs(held) do
    table.sort(works)
  end
  return held
end
