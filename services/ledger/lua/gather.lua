-- gather(): full, head, chain, now, {work, value, ...}, {lapsed work, ...}, {round, "examples:correct:loss", ...}: what the
-- commit of round `head` is made of. A value is "author:" and what C made of its record. While `full` is 1 nothing of
-- the round changes until that commit.
local state = load_state()
if not state then
  return no_run()
end
local rounds = load_rounds()
if not is_full(state, rounds) then
  return {0, state.head, state.chain, now_ms(), {}, {}, {}}
end

local function records(round)
  if redis.call('HLEN', OPEN) == round.filled then
    return redis.call('HGETALL', OPEN)
  end
  local works, all = names_of(KIND_SLOT, state.head, 0, round.places), {}
  for i, value in ipairs(get_many(OPEN, works)) do -- other rounds have records, too
    if value then
      all[#all + 1] = works[i]
      all[#all + 1] = value
    end
  end
  return all
end

local head = text(state.head)
local evaluations = {}
for _, round in ipairs(redis.call('LRANGE', QUEUED, 0, 63)) do
  evaluations[#evaluations + 1] = round
  evaluations[#evaluations + 1] = redis.call('HGET', EVALUATIONS, round)
end
return {1, state.head, state.chain, now_ms(), records(rounds[state.head]),
        redis.call('ZRANGEBYSCORE', LAPSED, head, head), evaluations}
