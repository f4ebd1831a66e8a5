-- gather(): full, head, chain, now, {slot, "worker:codes", ...}, {round, "examples:correct:loss", ...}
-- What a commit is made of. While `full` is 1 nothing of it changes until that commit.
local state = load_state()
if not state then
  return no_run()
end
local evaluations = {}
for _, at in ipairs(redis.call('LRANGE', QUEUED, 0, 63)) do
  evaluations[#evaluations + 1] = at
  evaluations[#evaluations + 1] = redis.call('HGET', EVALUATIONS, at)
end
return {is_full(state) and 1 or 0, state.head, state.chain, now_ms(), redis.call('HGETALL', OPEN), evaluations}
