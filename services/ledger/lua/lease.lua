-- lease(worker, cursor, wants, reach, again, wait): status, head, full, outstanding, then work and valid_ms of each.
-- A worker that has left gets none: a sync of it may still be under way, and nobody would work that lease off.
-- reach: rounds that one reply carries; a worker further behind gets no work yet. again: where nothing is free, the
-- worker's own leases are given once more (their reply was lost). wait: how long it will wait when there is no news.
local state = load_state()
local worker, cursor, wants = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not state then
  return no_run()
end
if not is_worker(worker) then
  return no_worker(worker)
end
if cursor > state.head then
  return redis.error_reply('CONFLICT worker ' .. worker .. ' has applied ' .. text(cursor) .. ' rounds, but only ' ..
                           text(state.head) .. ' are committed; its state is of another run or log')
end
local now = now_ms()
expire(now)
local gone = redis.call('HEXISTS', WORKERS, worker .. ':left') == 1
local slots_only = redis.call('HEXISTS', WORKERS, worker .. ':slots_only') == 1
local full = is_full(state) -- then the caller commits, and asks again

-- Up to `wants` pieces of free work, in turn. A worker without dev data would let an evaluation expire and be given it
-- again, for ever; it gets slots alone, which come after all evaluations.
local function take_free()
  local from = '-inf'
  if slots_only then
    from = turn_of('s:' .. text(state.head) .. ':0')
  end
  local taken = redis.call('ZRANGEBYSCORE', FREE, from, '+inf', 'LIMIT', 0, wants)
  for _, work in ipairs(taken) do
    redis.call('ZREM', FREE, work)
  end
  return taken
end

local function choose()
  if state.status == 'paused' or wants == 0 or gone or full or state.head - cursor > tonumber(ARGV[4]) then
    return {}
  end
  local chosen = take_free()
  if #chosen == 0 and ARGV[5] == '1' then
    local held = held_by(worker)
    for i = 1, math.min(#held, wants) do
      chosen[i] = held[i]
    end
  end
  return chosen
end

local chosen = choose()
local valid = {}
-- They are worked off one after the other, so the n-th has n times the time of one.
for i, work in ipairs(chosen) do
  valid[i] = math.min(state.lease_ms * i, 4294967295)
  redis.call('ZADD', LEASES, text(now + valid[i]), work)
  redis.call('HSET', HOLDERS, work, worker)
end
local quiet = #chosen == 0 and cursor == state.head
redis.call('HSET', WORKERS, worker .. ':seen', text(now + (quiet and tonumber(ARGV[6]) or 0)))
local outstanding = redis.call('ZCARD', FREE) + redis.call('ZCARD', LEASES)
local status = state.status
if status == 'complete' and slots_only then
  outstanding = 0
elseif status == 'complete' and outstanding > 0 then
  status = 'running' -- for its last evaluation: who holds it may die, and then another has to be there
end
local reply = {status, state.head, full and 1 or 0, outstanding}
for i, work in ipairs(chosen) do
  reply[#reply + 1] = work
  reply[#reply + 1] = valid[i]
end
return reply
