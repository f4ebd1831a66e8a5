-- Stands before every function of the ledger. STATE, WORKERS ... are the keys of the run; STATE_HEAD, WORKER_SEEN,
-- STATUS_PAUSED, KIND_SLOT ... are names that C replaces by what they stand for (libs/store/schema.h).
-- docs/formats/redis.md says what stands in each key.
--
-- Lua knows work by its text, "KIND:ROUND:INDEX", to whom it may be given, and when its time is over. Which work there
-- is comes from C, with the call that opens it (open_work). The places of a round are 0, 1, 2 ... without gaps, and so
-- are the chunks of an evaluation. A piece of work is
--
--   to be given   in `free`, or in `addressed` where one worker alone may have it (a check: in `due`)
--   leased        in `leases` and `holders`; if it is addressed, it stays in `addressed` too
--   done          in none of them
--
-- and what lapses once its time is over is in `deadlines` until it is done or over, and then in `lapsed`.
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
  if #fields > 0 and #fields <= PORTION then
    return redis.call('HMGET', key, unpack(fields))
  end
  local values = {}
  for from = 1, #fields, PORTION do
    local some = redis.call('HMGET', key, unpack(fields, from, math.min(from + PORTION - 1, #fields)))
    for i = 1, #some do
      values[from - 1 + i] = some[i]
    end
  end
  return values
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- ---- the run and its workers ----

-- nil: there is no such run
local function load_state()
  local values = redis.call('HMGET', STATE, STATE_STATUS, STATE_CHAIN, STATE_HEAD, STATE_LEASE_MS, STATE_QUORUM,
                            STATE_QUORUM_MS)
  if not values[1] then
    return nil
  end
  return {status = values[1], chain = values[2], head = tonumber(values[3]), lease_ms = tonumber(values[4]),
          quorum = tonumber(values[5]), quorum_ms = tonumber(values[6]),
          special = redis.call('EXISTS', ADDRESSED, DEADLINES, LAPSED) > 0} -- else nobody need look there
end

local function no_run()
  return redis.error_reply('NOT_FOUND there is no such run')
end

local function no_worker(worker)
  return redis.error_reply('NOT_FOUND the run has no worker ' .. worker .. '; join it first')
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

-- ---- open rounds ----

-- number -> what is known of it. Round `head` is the next to be committed; those behind it fill while it waits.
local function load_rounds()
  local rounds, all = {}, redis.call('HGETALL', ROUNDS)
  for i = 1, #all, 2 do
    local places, filled, opened, closed = string.match(all[i + 1], '^(%d+):(%d+):(%d+):(%d)$')
    rounds[tonumber(all[i])] = {places = tonumber(places), filled = tonumber(filled), opened = tonumber(opened),
                                closed = closed == '1'}
  end
  return rounds
end

local function save_round(number, round)
  redis.call('HSET', ROUNDS, text(number), string.format('%d:%d:%d:%d', round.places, round.filled, round.opened,
                                                         round.closed and 1 or 0))
end

-- A quorum is in and its time is over.
local function is_over(state, number, round)
  if state.quorum == 0 then
    return false
  end
  local now = now_ms()
  if round.opened > now then -- the clock went back
    round.opened = now
    save_round(number, round)
  end
  return now - round.opened >= state.quorum_ms
end

-- Round `head` wants a commit, and nothing of it changes until then. Where places stay empty that is written down, as
-- what is full stays so: their quorum is in and its time over, or each of them has lapsed.
local function is_full(state, rounds)
  local number = state.head
  local round = rounds[number]
  if not round then
    return false -- the run is complete, or rounds are imported first
  end
  if round.closed or round.filled == round.places then
    return true
  end
  if round.filled < state.quorum then
    return false
  end
  local lapsed = state.special and redis.call('ZCOUNT', LAPSED, text(number), text(number)) or 0
  if round.filled + lapsed < round.places and not is_over(state, number, round) then
    return false
  end
  round.closed = true
  save_round(number, round)
  return true
end

-- ---- work ----

-- Evaluations of the state before a round come before its places, older rounds before younger ones.
local function first_turn(kind, round)
  return (2 * round + (kind == KIND_EVALUATION and 0 or 1)) * 4096
end

local function parse(work)
  local kind, round, index = string.match(work, '^(%a):(%d+):(%d+)$')
  return kind, tonumber(round), tonumber(index)
end

local function turn_of(work)
  local kind, round, index = parse(work)
  return text(first_turn(kind, round) + index)
end

-- Names of the places first .. first + count - 1.
local function names_of(kind, round, first, count)
  local names, name = {}, kind .. ':' .. text(round) .. ':'
  for i = 1, count do
    names[i] = name .. (first + i - 1)
  end
  return names
end

local function put_free(kind, round, first, count)
  local members, turn, name = {}, first_turn(kind, round) + first, kind .. ':' .. text(round) .. ':'
  for i = 0, count - 1 do
    members[2 * i + 1] = text(turn + i)
    members[2 * i + 2] = name .. (first + i)
  end
  call_many('ZADD', FREE, members)
end

-- All with one score.
local function put_scored(key, score, works)
  local members = {}
  for i, work in ipairs(works) do
    members[2 * i - 1] = score
    members[2 * i] = work
  end
  call_many('ZADD', key, members)
end

-- item: {kind, round, first, count, addressee, lapses}
local function open_item(state, now, rounds, item)
  local kind, number, first, count, addressee, lapses = unpack(item)
  if kind == KIND_EVALUATION then
    if redis.call('HEXISTS', EVALUATIONS, text(number)) == 1 then
      return -- it is finished: an import found it under way
    end
    redis.call('HINCRBY', CHUNKS, text(number) .. ':places', count)
  else
    rounds[number] = rounds[number] or {places = 0, filled = 0, opened = now, closed = false}
    rounds[number].places = rounds[number].places + count
  end
  if addressee == '0' then
    put_free(kind, number, first, count)
  else
    put_scored(ADDRESSED, addressee, names_of(kind, number, first, count))
  end
  if lapses then
    put_scored(DEADLINES, text(now + state.lease_ms), names_of(kind, number, first, count))
  end
end

-- The plan that C made (sam_plan_item), six arguments for each item from ARGV[at] to the end: kind, round, first place,
-- how many, the worker that alone may have them (0: whoever comes), and 1 where they lapse: they then have no record
-- once a lease time has passed since their round opened.
local function open_work(state, at)
  local now, rounds = now_ms(), {}
  for i = at, #ARGV, 6 do
    open_item(state, now, rounds, {ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]),
                                   ARGV[i + 4], ARGV[i + 5] == '1'})
  end
  for number, round in pairs(rounds) do
    save_round(number, round)
  end
end

local function give_back(work)
  redis.call('ZREM', LEASES, work)
  redis.call('HDEL', HOLDERS, work)
  if string.sub(work, 1, 1) == KIND_CHECK then
    redis.call('ZADD', DUE, turn_of(work), work)
  elseif not redis.call('ZSCORE', ADDRESSED, work) then
    redis.call('ZADD', FREE, turn_of(work), work)
  end
end

-- true where it was there to be done
local function finish(work)
  local there = redis.call('ZREM', FREE, work) + redis.call('ZREM', LEASES, work) + redis.call('ZREM', ADDRESSED, work)
  redis.call('HDEL', HOLDERS, work)
  redis.call('ZREM', DEADLINES, work)
  return there > 0
end

local function is_work_left()
  return redis.call('EXISTS', FREE, LEASES, ADDRESSED) > 0
end

-- Up to `count` pieces of free work whose turn is in between, and `at`: the next of them to be given.
local function first_free(from, to, count)
  local works = count > 0 and redis.call('ZRANGEBYSCORE', FREE, from, to, 'LIMIT', 0, count) or {}
  works.at = 1
  return works
end

-- ---- evaluations ----

local function finish_evaluation(round, places)
  local examples, correct, loss = 0, 0, 0
  for chunk = 0, places - 1 do
    local field = round .. ':' .. chunk
    local _, e, c, l = string.match(redis.call('HGET', CHUNKS, field), '^(%d+):(%d+):(%d+):(%d+)$')
    examples, correct, loss = examples + tonumber(e), correct + tonumber(c), loss + tonumber(l)
    redis.call('HDEL', CHUNKS, field)
  end
  redis.call('HDEL', CHUNKS, round .. ':count', round .. ':places')
  redis.call('HSET', EVALUATIONS, round, text(examples) .. ':' .. text(correct) .. ':' .. text(loss))
  redis.call('RPUSH', QUEUED, round)
end

-- round, chunk: as texts. 'taken', 'known' (this worker's second one) or 'late'.
local function take_chunk(worker, round, chunk, sums)
  local field, work = round .. ':' .. chunk, KIND_EVALUATION .. ':' .. round .. ':' .. chunk
  local there = redis.call('HGET', CHUNKS, field)
  if there then
    return string.match(there, '^%d+') == worker and 'known' or 'late'
  end
  if not finish(work) then
    return 'late'
  end
  redis.call('HSET', CHUNKS, field, worker .. ':' .. sums)
  local places = tonumber(redis.call('HGET', CHUNKS, round .. ':places'))
  if redis.call('HINCRBY', CHUNKS, round .. ':count', 1) == places then
    finish_evaluation(round, places)
  end
  return 'taken'
end

-- ---- time ----

-- A deadline further off than any that is given is from before the clock went back: it counts anew.
local function bring_near(key, furthest)
  for _, work in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. text(furthest), '+inf')) do
    redis.call('ZADD', key, text(furthest), work)
  end
end

-- A place whose time is over: its round waits for it no longer. It stays to be given to the worker that it is for, and
-- counts after all where a record comes before the round is full. A chunk then has no examples.
local function lapse(work)
  local held = redis.call('HEXISTS', HOLDERS, work)
  if held == 1 then
    give_back(work)
  end
  redis.call('ZREM', DEADLINES, work)
  local kind, round, index = parse(work)
  if kind == KIND_EVALUATION then
    take_chunk('0', text(round), text(index), '0:0:0')
  else
    redis.call('ZADD', LAPSED, text(round), work)
  end
  return held
end

-- What lapses does not while the run is paused: pause.lua.
local function lapse_all(state, now)
  if not state.special or state.status == STATUS_PAUSED then
    return 0
  end
  local lost = 0
  bring_near(DEADLINES, now + state.lease_ms)
  for _, work in ipairs(redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', text(now))) do
    lost = lost + lapse(work)
  end
  return lost
end

local function expire(state, now)
  -- the n-th lease of a reply has n times the time of one, and one more where the worker has work in hand
  bring_near(LEASES, now + state.lease_ms * (redis.call('ZCARD', LEASES) + 1))
  local lost = lapse_all(state, now)
  local late = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now))
  for _, work in ipairs(late) do
    give_back(work)
  end
  lost = lost + #late
  if lost > 0 then
    redis.call('HINCRBY', STATE, STATE_LOST_LEASES, lost)
  end
end
