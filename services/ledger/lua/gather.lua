-- gather(): full, head, chain, now, {value of place 0, of place 1, ... or nil}, {lapsed work}, {round,
-- "examples:correct:loss", ...}: what the commit of round `head` is made of. A value is "author:" and what C made of
-- its record. While `full` is 1 nothing of the round changes until that commit.
local state = load_state()
if not state then
  return no_run()
end
local rounds = load_rounds()
if not is_full(state, rounds) then
  return {0, state.head, state.chain, now_ms(), {}, {}, {}}
end
local head = text(state.head)
local evaluations = {}
for _, round in ipairs(redis.call('LRANGE', QUEUED, 0, 63)) do
  evaluations[#evaluations + 1] = round
  evaluations[#evaluations + 1] = redis.call('HGET', EVALUATIONS, round)
end
local values = get_many(OPEN, names_of(KIND_SLOT, state.head, 0, rounds[state.head].places))
return {1, state.head, state.chain, now_ms(), values, redis.call('ZRANGEBYSCORE', LAPSED, head, head), evaluations}
