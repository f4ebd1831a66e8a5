-- tick(): status, free, outstanding, full. Leases that are over come back.
local state = load_state()
if not state then
  return no_run()
end
expire(now_ms())
local free = redis.call('ZCARD', FREE)
return {state.status, free, free + redis.call('ZCARD', LEASES), is_full(state) and 1 or 0}
