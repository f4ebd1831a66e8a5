-- turns(reach, then for each turn: worker, cursor, wants, ahead, again, wait, malformed, results, and for each result:
-- kind, round, index, elapsed, payload): head, chain, full, and for each turn an error, or the text
-- "status refused work valid_ms work valid_ms ...".
--
-- What many workers ask at a time, as if each had come alone, in this order: first all results are taken, then leases
-- are given, to those that have nothing in hand before those that are ahead. It is one function so that Redis writes,
-- syncs its file and answers once for all of them.
--
-- payload: what C made of a record, or "examples:correct:loss" of a chunk. The first result for a piece of work wins;
-- the same worker's second one is acknowledged and changes nothing. malformed: results that the caller left out.
-- A worker that has left gets no lease: a sync of it may still be under way, and nobody would work that lease off.
-- reach: rounds that one reply carries; a worker further behind gets no work yet. ahead: it has work in hand. again:
-- where nothing is free, a worker without work in hand gets its own leases once more (their reply was lost). wait: how
-- long it will wait when there is no news.
local state = load_state()
if not state then
  return no_run()
end
local now = now_ms()
local ARGV, tonumber = ARGV, tonumber -- globals are looked up by name, and there are thousands of turns
local reach = tonumber(ARGV[1])
local TURN, RESULT = 8, 5 -- arguments
local rounds = load_rounds()
local special = state.special

-- ---- the turns ----

local about, workers = {}, {} -- worker -> what is known of it; all of them, in the order of their first turn

local function about_worker(worker)
  local of = about[worker]
  if not of then
    of = {slots = 0, busy = 0, late = 0, refused = 0,
          known = false, left = false, slots_only = false, slots_before = 0, busy_before = 0}
    about[worker] = of
    workers[#workers + 1] = worker
  end
  return of
end

local function read_turns()
  local turns, count, at = {}, 0, 2
  while ARGV[at] do
    local worker, first = ARGV[at], at + TURN
    local last = first - 1 + RESULT * tonumber(ARGV[at + 7])
    count = count + 1
    turns[count] = {worker = worker, cursor = tonumber(ARGV[at + 1]), wants = tonumber(ARGV[at + 2]),
                    ahead = ARGV[at + 3] == '1', again = ARGV[at + 4] == '1', wait = tonumber(ARGV[at + 5]),
                    refused = tonumber(ARGV[at + 6]), first = first, last = last, about = about_worker(worker),
                    error = false, may_have = false, quiet = false, leases = false}
    at = last + 1
  end
  return turns
end

local function read_workers()
  local fields = {}
  for i, worker in ipairs(workers) do
    local at = 5 * i
    fields[at - 4] = worker .. WORKER_NAME
    fields[at - 3] = worker .. WORKER_LEFT
    fields[at - 2] = worker .. WORKER_SLOTS_ONLY
    fields[at - 1] = worker .. WORKER_SLOTS
    fields[at] = worker .. WORKER_BUSY
  end
  local values = get_many(WORKERS, fields)
  for i, worker in ipairs(workers) do
    local of, at = about[worker], 5 * i
    of.known, of.left, of.slots_only = values[at - 4], values[at - 3], values[at - 2]
    of.slots_before, of.busy_before = tonumber(values[at - 1] or 0), tonumber(values[at] or 0)
  end
end

local function check(turn)
  if not turn.about.known then
    turn.error = no_worker(turn.worker)
  elseif turn.cursor > state.head then
    turn.error = redis.error_reply('CONFLICT worker ' .. turn.worker .. ' has applied ' .. text(turn.cursor) ..
                                   ' rounds, but only ' .. text(state.head) ..
                                   ' are committed; its state is of another run or log')
  end
end

-- ---- results ----

local open = {} -- work -> "author:record" of the open rounds, as far as the turns speak of it
local work_at = {} -- of the record at ARGV[at]
local filled, finished, count = {}, {}, 0 -- what is new of `open`, by name and value; its works, and how many they are
local grown = {} -- the rounds they are of

local function read_open(turns)
  local works, n = {}, 0
  for _, turn in ipairs(turns) do
    for at = turn.first, turn.last, RESULT do
      if ARGV[at] == KIND_SLOT then
        n = n + 1
        works[n] = KIND_SLOT .. ':' .. ARGV[at + 1] .. ':' .. ARGV[at + 2]
        work_at[at] = works[n]
      end
    end
  end
  for i, value in ipairs(get_many(OPEN, works)) do
    open[works[i]] = value
  end
end

local function is_for_another(worker, work)
  local addressee = redis.call('ZSCORE', ADDRESSED, work)
  return addressee and addressee ~= worker
end

local function take_record(worker, at)
  local number, work = tonumber(ARGV[at + 1]), work_at[at]
  local round, there = rounds[number], open[work]
  if not round then
    return 'late'
  end
  if there then
    return string.match(there, '^%d+') == worker and 'known' or 'late'
  end
  if round.closed or tonumber(ARGV[at + 2]) >= round.places or (special and is_for_another(worker, work)) then
    return 'late'
  end
  local value = worker .. ':' .. ARGV[at + 4]
  count = count + 1
  open[work] = value
  finished[count] = work
  filled[2 * count - 1] = work
  filled[2 * count] = value
  round.filled = round.filled + 1
  grown[number] = round
  return 'taken'
end

local function take_sums(worker, at)
  if special and is_for_another(worker, KIND_EVALUATION .. ':' .. ARGV[at + 1] .. ':' .. ARGV[at + 2]) then
    return 'late'
  end
  return take_chunk(worker, ARGV[at + 1], ARGV[at + 2], ARGV[at + 4])
end

local function take_results(turn)
  local of = turn.about
  of.refused = of.refused + turn.refused
  for at = turn.first, turn.last, RESULT do
    local is_record = ARGV[at] == KIND_SLOT
    local take = is_record and take_record or take_sums
    local outcome = take(turn.worker, at)
    if outcome == 'late' then
      of.late = of.late + 1
      turn.refused = turn.refused + 1
    elseif outcome == 'taken' and is_record then
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
  for number, round in pairs(grown) do
    save_round(number, round)
  end
  if special then
    call_many('ZREM', ADDRESSED, finished)
    call_many('ZREM', DEADLINES, finished)
    call_many('ZREM', LAPSED, finished)
  end
end

-- ---- leases ----

local held -- worker -> its leases; read when the first one asks

local function held_by(worker)
  if not held then
    held = holdings()
  end
  return held[worker] or {}
end

-- Takes from the front of a list of work, as far as there is any.
local function take(list, chosen, wants)
  local n, at = #chosen, list.at
  while n < wants and list[at] do
    n = n + 1
    chosen[n] = list[at]
    at = at + 1
  end
  list.at = at
end

local function may_have(turn)
  return turn.wants > 0 and not turn.error and not turn.about.left and state.status ~= STATUS_PAUSED and
         state.head - turn.cursor <= reach
end

-- What is for this worker alone and nobody has yet; of a full round nothing.
local function addressed_to(worker, full)
  local works, own = {at = 1}, redis.call('ZRANGEBYSCORE', ADDRESSED, worker, worker)
  local head = KIND_SLOT .. ':' .. text(state.head) .. ':'
  local holders = get_many(HOLDERS, own)
  for i, work in ipairs(own) do
    if not holders[i] and not (full and string.sub(work, 1, #head) == head) then
      works[#works + 1] = work
    end
  end
  return works
end

-- Evaluations come before slots. A worker without dev data would let one expire and be given it again, for ever: it
-- gets slots alone.
local function choose(turn, full, evaluations, slots)
  local chosen = {}
  if special then
    take(addressed_to(turn.worker, full), chosen, turn.wants)
  end
  if not turn.about.slots_only then
    take(evaluations, chosen, turn.wants)
  end
  take(slots, chosen, turn.wants)
  if #chosen == 0 and turn.again and not turn.ahead and not full then
    local own = held_by(turn.worker)
    chosen = {unpack(own, 1, math.min(#own, turn.wants))}
  end
  return chosen
end

-- How long the n-th lease of a reply is valid, and until when: they are worked off one after the other, so it has n
-- times the time of one.
local terms = {}

local function term_of(n)
  if not terms[n] then
    local valid = math.min(state.lease_ms * n, 4294967295)
    terms[n] = {valid = ' ' .. text(valid), deadline = text(now + valid)}
  end
  return terms[n]
end

-- What lapses is valid until it does.
local function own_term(work)
  local deadline = redis.call('ZSCORE', DEADLINES, work)
  return deadline and {valid = ' ' .. text(math.max(tonumber(deadline) - now, 1)), deadline = deadline}
end

local given, deadlines, holders, leased = {}, {}, {}, 0

local function lease(turn, chosen)
  local in_hand = turn.ahead and 1 or 0
  turn.leases = {}
  for i, work in ipairs(chosen) do
    local term = special and own_term(work) or term_of(i + in_hand)
    leased = leased + 1
    given[leased] = work
    deadlines[2 * leased - 1] = term.deadline
    deadlines[2 * leased] = work
    holders[2 * leased - 1] = work
    holders[2 * leased] = turn.worker
    turn.leases[i] = work .. term.valid
  end
end

-- A turn that has nothing in hand comes before all that have.
local function in_order(turns)
  local order, ahead = {}, {}
  for _, turn in ipairs(turns) do
    local list = turn.ahead and ahead or order
    list[#list + 1] = turn
  end
  for _, turn in ipairs(ahead) do
    order[#order + 1] = turn
  end
  return order
end

local function give_leases(turns, full)
  local wants = 0
  local ahead = false
  for _, turn in ipairs(turns) do
    turn.may_have = may_have(turn)
    wants = wants + (turn.may_have and turn.wants or 0)
    ahead = ahead or turn.ahead
  end
  local evaluations = first_free('-inf', '(' .. text(first_turn(KIND_SLOT, state.head)), wants)
  local slots = first_free(text(first_turn(KIND_SLOT, full and state.head + 1 or state.head)), '+inf', wants)
  for _, turn in ipairs(ahead and in_order(turns) or turns) do
    local chosen = turn.may_have and choose(turn, full, evaluations, slots)
    if chosen and chosen[1] then
      lease(turn, chosen)
    else
      turn.quiet = turn.cursor == state.head and not turn.error
    end
  end
  call_many('ZREM', FREE, given)
  call_many('ZADD', LEASES, deadlines)
  call_many('HSET', HOLDERS, holders)
end

-- ---- what is written of workers ----

local function write_workers(turns)
  local fields, n = {}, 0
  local function set(worker, name, value)
    fields[n + 1] = worker .. name
    fields[n + 2] = value
    n = n + 2
  end
  local at_once = text(now)
  for _, turn in ipairs(turns) do
    if turn.about.known then
      set(turn.worker, WORKER_SEEN, turn.quiet and text(now + turn.wait) or at_once)
    end
  end
  for _, worker in ipairs(workers) do
    local of = about[worker]
    if of.known and of.slots > 0 then
      set(worker, WORKER_SLOTS, text(of.slots_before + of.slots))
      set(worker, WORKER_BUSY, text(of.busy_before + of.busy))
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
read_workers()
read_open(turns)
for _, turn in ipairs(turns) do
  check(turn)
  if turn.about.known then
    take_results(turn)
  end
end
write_results()
expire(state, now)
local full = is_full(state, rounds) -- then the caller commits, and asks again for those that got nothing
give_leases(turns, full)
write_workers(turns)

-- After the last round, whoever can evaluate is told to stay: the one that holds the last chunk may die, and then
-- another has to be there.
local for_evaluators = state.status == STATUS_COMPLETE and is_work_left() and STATUS_RUNNING or state.status

local reply = {state.head, state.chain, full and 1 or 0}
for i, turn in ipairs(turns) do
  local status = turn.about.slots_only and state.status or for_evaluators
  local leases = turn.leases and ' ' .. table.concat(turn.leases, ' ') or ''
  reply[i + 3] = turn.error or status .. ' ' .. text(turn.refused) .. leases
end
return reply
