-- contribute(worker, malformed, then for each result: kind, round, index, elapsed, payload): refused, full, head.
-- payload: codes of a slot, "examples:correct:loss" of a chunk. The first result for a piece of work wins; the same
-- worker's second one is acknowledged and changes nothing.
local state = load_state()
local worker = ARGV[1]
if not state then
  return no_run()
end
if not is_worker(worker) then
  return no_worker(worker)
end

local function take_slot(round, slot, codes)
  local holder = round == state.head and redis.call('HGET', OPEN, slot)
  if holder then
    return string.match(holder, '^%d+') == worker and 'known' or 'late'
  end
  if round ~= state.head or state.head >= state.rounds or state.closed == state.head then
    return 'late'
  end
  finish('s:' .. text(round) .. ':' .. slot)
  redis.call('HSET', OPEN, slot, worker .. ':' .. codes)
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

local function take_chunk(round, chunk, sums)
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

local late = 0
for i = 3, #ARGV, 5 do
  local take = ARGV[i] == 's' and take_slot or take_chunk
  local outcome = take(tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 4])
  if outcome == 'late' then
    late = late + 1
  elseif outcome == 'taken' and ARGV[i] == 's' then
    redis.call('HINCRBY', WORKERS, worker .. ':slots', 1)
    redis.call('HINCRBY', WORKERS, worker .. ':busy', ARGV[i + 3])
  end
end
local malformed = tonumber(ARGV[2])
if late > 0 then
  redis.call('HINCRBY', WORKERS, worker .. ':late', late)
end
if malformed > 0 then
  redis.call('HINCRBY', WORKERS, worker .. ':refused', malformed)
end
redis.call('HSET', WORKERS, worker .. ':seen', text(now_ms()))
return {late + malformed, is_full(state) and 1 or 0, state.head}
