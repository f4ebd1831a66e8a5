-- tick(): status, free, 1 where there is work left, full. Leases that are over come back, and what lapses does.
local state = load_state()
if not state then
  return no_run()
end
expire(state, now_ms())
return {state.status, redis.call('ZCARD', FREE), is_work_left() and 1 or 0, is_full(state, load_rounds()) and 1 or 0}
