-- turns(reach, then for each turn: worker, cursor, wants, again, wait, malformed, results, and for each result: kind,
-- round, index, elapsed, payload): head, chain, full, and for each turn an error, or the text
-- "status refused work valid_ms work valid_ms ...".
--
-- What many workers ask at a time, as if each had come alone, in this order: first all results are taken, then leases
-- are given. It is one function so that Redis writes, syncs its file and answers once for all of them.
--
-- payload: codes of a slot, "examples:correct:loss" of a chunk. The first result for a piece of work wins; the same
-- worker's second one is acknowledged and changes nothing. malformed: results that the caller left out.
-- A worker that has left gets no lease: a sync of it may still be under way, and nobody would work that lease off.
-- reach: rounds that one reply carries; a worker further behind gets no work yet. again: where nothing is free, the
-- worker's own leases are given once more (their reply was lost). wait: how long it will wait when there is no news.
local state = load_state()
if not state then
  return no_run()
end
local now = now_ms()
local ARGV, tonumber = ARGV, tonumber -- globals are looked up by name, and there are thousands of turns
local reach = tonumber(ARGV[1])

-- ---- what was asked ----

local people, names = {}, {} -- worker -> what is known of it; all of them, in the order of their first turn

local function person(worker)
  if not people[worker] then
    people[worker] = {slots = 0, busy = 0, late = 0, refused = 0,
                      known = false, left = false, slots_only = false, slots_before = 0, busy_before = 0}
    names[#names + 1] = worker
  end
  return people[worker]
end

local function read_turns()
  local turns, at = {}, 2
  while ARGV[at] do
    local turn = {worker = ARGV[at], cursor = tonumber(ARGV[at + 1]), wants = tonumber(ARGV[at + 2]),
                  again = ARGV[at + 3] == '1', wait = tonumber(ARGV[at + 4]), refused = tonumber(ARGV[at + 5]),
                  first = at + 7, last = at + 6 + 5 * tonumber(ARGV[at + 6]), text = {},
                  person = person(ARGV[at]), error = false, may_have = false, quiet = false}
    turns[#turns + 1] = turn
    at = turn.last + 1
  end
  return turns
end

local function read_people()
  local fields = {}
  for _, worker in ipairs(names) do
    fields[#fields + 1] = worker .. WORKER_NAME
    fields[#fields + 1] = worker .. WORKER_LEFT
    fields[#fields + 1] = worker .. WORKER_SLOTS_ONLY
    fields[#fields + 1] = worker .. WORKER_SLOTS
    fields[#fields + 1] = worker .. WORKER_BUSY
  end
  local values = get_many(WORKERS, fields)
  for i, worker in ipairs(names) do
    local of, at = people[worker], 5 * i - 4
    of.known, of.left, of.slots_only = values[at], values[at + 1], values[at + 2]
    of.slots_before, of.busy_before = tonumber(values[at + 3] or 0), tonumber(values[at + 4] or 0)
  end
end

local function check(turn)
  if not turn.person.known then
    turn.error = no_worker(turn.worker)
  elseif turn.cursor > state.head then
    turn.error = redis.error_reply('CONFLICT worker ' .. turn.worker .. ' has applied ' .. text(turn.cursor) ..
                                   ' rounds, but only ' .. text(state.head) ..
                                   ' are committed; its state is of another run or log')
  end
end

-- ---- results ----

local open, filled, finished = {}, {}, {} -- slot -> "worker:codes"; what is new of it, by name and value; work
local open_slot = 's:' .. text(state.head) .. ':'

-- The slots of the open round that the turns speak of, as they stand.
local function read_open(turns)
  local slots = {}
  for _, turn in ipairs(turns) do
    for at = turn.first, turn.last, 5 do
      if ARGV[at] == 's' then
        slots[#slots + 1] = ARGV[at + 2]
      end
    end
  end
  for i, value in ipairs(get_many(OPEN, slots)) do
    open[slots[i]] = value
  end
end

local function take_slot(worker, round, slot, codes)
  if round ~= state.head or state.head >= state.rounds then
    return 'late'
  end
  if open[slot] then
    return string.match(open[slot], '^%d+') == worker and 'known' or 'late'
  end
  if state.closed == state.head then
    return 'late'
  end
  open[slot] = worker .. ':' .. codes
  filled[#filled + 1] = slot
  filled[#filled + 1] = open[slot]
  finished[#finished + 1] = open_slot .. slot
  return 'taken'
end

local function finish_evaluation(at)
  local examples, correct, loss = 0, 0, 0
  for chunk = 0, state.chunks - 1 do
    local field = at .. ':' .. chunk
    local _, e, c, l = string.match(redis.call('HGET', CHUNKS, field), '^(%d+):(%d+):(%d+):(%d+)$')
    examples, correct, loss = examples + tonumber(e), correct + tonumber(c), loss + tonumber(l)
    redis.call('HDEL', CHUNKS, field)
  end
  redis.call('HDEL', CHUNKS, at .. ':count')
  redis.call('HSET', EVALUATIONS, at, text(examples) .. ':' .. text(correct) .. ':' .. text(loss))
  redis.call('RPUSH', QUEUED, at)
end

local function take_chunk(worker, round, chunk, sums)
  local at = text(round)
  local holder = redis.call('HGET', CHUNKS, at .. ':' .. chunk)
  if holder then
    return string.match(holder, '^%d+') == worker and 'known' or 'late'
  end
  if not finish('e:' .. at .. ':' .. chunk) then
    return 'late'
  end
  redis.call('HSET', CHUNKS, at .. ':' .. chunk, worker .. ':' .. sums)
  if redis.call('HINCRBY', CHUNKS, at .. ':count', 1) == state.chunks then
    finish_evaluation(at)
  end
  return 'taken'
end

local function take_results(turn)
  local of = turn.person
  of.refused = of.refused + turn.refused
  for at = turn.first, turn.last, 5 do
    local take = ARGV[at] == 's' and take_slot or take_chunk
    local outcome = take(turn.worker, tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 4])
    if outcome == 'late' then
      of.late = of.late + 1
      turn.refused = turn.refused + 1
    elseif outcome == 'taken' and ARGV[at] == 's' then
      of.slots = of.slots + 1
      of.busy = of.busy + tonumber(ARGV[at + 3])
    end
  end
end

local function write_results()
  call_many('ZREM', FREE, finished)
  call_many('ZREM', LEASES, finished)
  call_many('HDEL', HOLDERS, finished)
  call_many('HSET', OPEN, filled)
end

-- ---- leases ----

local held -- worker -> its leases; read when the first one asks

local function held_by_one(worker)
  if not held then
    held = holdings()
  end
  return held[worker] or {}
end

-- Takes from the front of a list of free work, as far as there is any.
local function take(list, chosen, wants)
  while #chosen < wants and list[list.at] do
    chosen[#chosen + 1] = list[list.at]
    list.at = list.at + 1
  end
end

local function may_have(turn, full)
  return turn.wants > 0 and not turn.error and not full and not turn.person.left and state.status ~= STATUS_PAUSED and
         state.head - turn.cursor <= reach
end

-- Evaluations come before slots. A worker without dev data would let one expire and be given it again, for ever: it
-- gets slots alone.
local function choose(turn, evaluations, slots)
  local chosen = {}
  if not turn.person.slots_only then
    take(evaluations, chosen, turn.wants)
  end
  take(slots, chosen, turn.wants)
  if #chosen == 0 and turn.again then
    local own = held_by_one(turn.worker)
    chosen = {unpack(own, 1, math.min(#own, turn.wants))}
  end
  return chosen
end

-- How long the n-th lease of a reply is valid, and until when: they are worked off one after the other, so it has n
-- times the time of one.
local terms = {}

local function terms_of(n)
  if not terms[n] then
    local valid = math.min(state.lease_ms * n, 4294967295)
    terms[n] = {valid = text(valid), deadline = text(now + valid)}
  end
  return terms[n]
end

local function give_leases(turns, full)
  local wants, given, deadlines, holders = 0, {}, {}, {}
  for _, turn in ipairs(turns) do
    turn.may_have = may_have(turn, full)
    wants = wants + (turn.may_have and turn.wants or 0)
  end
  local first_slot = text(first_turn('s', state.head))
  local evaluations = first_free('-inf', '(' .. first_slot, wants)
  local slots = first_free(first_slot, '+inf', wants)
  for _, turn in ipairs(turns) do
    local chosen = turn.may_have and choose(turn, evaluations, slots) or {}
    for i, work in ipairs(chosen) do
      local term = terms_of(i)
      given[#given + 1] = work
      deadlines[#deadlines + 1] = term.deadline
      deadlines[#deadlines + 1] = work
      holders[#holders + 1] = work
      holders[#holders + 1] = turn.worker
      turn.text[#turn.text + 1] = work .. ' ' .. term.valid
    end
    turn.quiet = #chosen == 0 and turn.cursor == state.head
  end
  call_many('ZREM', FREE, given)
  call_many('ZADD', LEASES, deadlines)
  call_many('HSET', HOLDERS, holders)
end

-- ---- what is written of workers ----

local function write_people(turns)
  local fields = {}
  local function set(worker, name, value)
    fields[#fields + 1] = worker .. name
    fields[#fields + 1] = text(value)
  end
  for _, turn in ipairs(turns) do
    if turn.person.known then
      set(turn.worker, WORKER_SEEN, now + (turn.quiet and not turn.error and turn.wait or 0))
    end
  end
  for _, worker in ipairs(names) do
    local of = people[worker]
    if of.known and of.slots > 0 then
      set(worker, WORKER_SLOTS, of.slots_before + of.slots)
      set(worker, WORKER_BUSY, of.busy_before + of.busy)
    end
    if of.known and of.late > 0 then
      redis.call('HINCRBY', WORKERS, worker .. WORKER_LATE, of.late)
    end
    if of.known and of.refused > 0 then
      redis.call('HINCRBY', WORKERS, worker .. WORKER_REFUSED, of.refused)
    end
  end
  call_many('HSET', WORKERS, fields)
end

local turns = read_turns()
read_people()
read_open(turns)
for _, turn in ipairs(turns) do
  check(turn)
  if turn.person.known then
    take_results(turn)
  end
end
write_results()
expire(now)
local full = is_full(state) -- then the caller commits, and asks again for those that got nothing
give_leases(turns, full)
write_people(turns)

-- After the last round, whoever can evaluate is told to stay: the one who holds the last chunk may die, and then another
-- has to be there.
local busy = redis.call('ZCARD', FREE) + redis.call('ZCARD', LEASES) > 0

local function status_for(turn)
  local stays = state.status == STATUS_COMPLETE and busy and not turn.person.slots_only
  return stays and STATUS_RUNNING or state.status
end

local reply = {state.head, state.chain, full and 1 or 0}
for _, turn in ipairs(turns) do
  local words = {status_for(turn), text(turn.refused), unpack(turn.text)}
  reply[#reply + 1] = turn.error or table.concat(words, ' ')
end
return reply
