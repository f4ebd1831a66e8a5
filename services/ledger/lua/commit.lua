-- commit(round, chain before, chain, encoded round, signatures ('': the run is not signed), evaluations in it, 1 where
-- it is the last round, opinions, for each of them: place, author, codes, 1 where it was drawn; then the plan of what
-- opens: see open_work): 1, or 0 where the round was committed before.
--
-- opinions: the records of a run that is verified. Another worker computes again (check.lua) those that were drawn, and
-- all of a worker that has nothing to its credit. They are drawn now that the codes are in, so nobody can know which.
local OPINION = 4
local CHECKS_MAX = 4096
local state = load_state()
local number = tonumber(ARGV[1])
if not state then
  return no_run()
end
if state.head > number then
  return 0
end
local rounds = load_rounds()
if state.head < number or state.chain ~= ARGV[2] or not is_full(state, rounds) then
  return redis.error_reply('CONFLICT round ' .. ARGV[1] .. ' does not follow the committed ones')
end
local round = rounds[number]
local opinions = 9
local plan = opinions + OPINION * tonumber(ARGV[8])

local authors = {} -- author -> {its kernel, has it something to its credit?}

local function author_of(worker)
  if not authors[worker] then
    local values = redis.call('HMGET', WORKERS, worker .. WORKER_KERNEL, worker .. WORKER_STANDING)
    authors[worker] = {kernel = values[1] or '', trusted = tonumber(values[2] or 0) > 0}
  end
  return authors[worker]
end

local function ask_others()
  if redis.call('HLEN', CHECKS) >= CHECKS_MAX then
    return
  end
  for i = opinions, plan - 1, OPINION do
    local author = author_of(ARGV[i + 1])
    if ARGV[i + 3] == '1' or not author.trusted then
      local work = KIND_CHECK .. ':' .. text(number) .. ':' .. ARGV[i]
      redis.call('HSET', CHECKS, work, cmsgpack.pack({author.kernel, {{ARGV[i + 1], ARGV[i + 2]}}}))
      redis.call('ZADD', DUE, turn_of(work), work)
    end
  end
end

-- Nobody needs what is left of a round that is committed.
local function drop_rest(number)
  local left = {}
  local name = KIND_SLOT .. ':' .. text(number) .. ':'
  for _, key in ipairs({LEASES, ADDRESSED, DEADLINES}) do
    for _, work in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      if string.sub(work, 1, #name) == name then
        left[#left + 1] = work
      end
    end
  end
  redis.call('ZREMRANGEBYSCORE', FREE, text(first_turn(KIND_SLOT, number)),
             '(' .. text(first_turn(KIND_EVALUATION, number + 1)))
  redis.call('ZREMRANGEBYSCORE', LAPSED, text(number), text(number))
  call_many('ZREM', LEASES, left)
  call_many('ZREM', ADDRESSED, left)
  call_many('ZREM', DEADLINES, left)
  call_many('HDEL', HOLDERS, left)
end

-- The records of other rounds stay.
local function clear_open()
  if redis.call('HLEN', OPEN) == round.filled then
    redis.call('DEL', OPEN)
  else
    call_many('HDEL', OPEN, names_of(KIND_SLOT, number, 0, round.places))
  end
end

local head = text(number + 1)
redis.call('XADD', LOG, head .. '-0', LOG_FIELD, ARGV[4])
if ARGV[5] ~= '' then
  redis.call('XADD', SIGNATURES, head .. '-0', SIGNATURES_FIELD, ARGV[5])
end
redis.call('HSET', STATE, STATE_HEAD, head, STATE_CHAIN, ARGV[3])
redis.call('HINCRBY', STATE, STATE_RECORDS, round.filled)
if round.filled < round.places then
  drop_rest(number)
end
ask_others()
clear_open()
redis.call('HDEL', ROUNDS, text(number))
redis.call('LTRIM', QUEUED, ARGV[6], -1)
if ARGV[7] == '1' then
  redis.call('HSET', STATE, STATE_STATUS, STATUS_COMPLETE)
end
open_work(state, plan)
return 1
