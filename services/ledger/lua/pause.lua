-- pause(STATUS_PAUSED or STATUS_RUNNING): 1. A paused run gives no leases; what is being computed still counts. What
-- lapses has its whole time again when the run goes on.
local state = load_state()
if not state then
  return no_run()
end
if state.status == STATUS_COMPLETE then
  return redis.error_reply('CONFLICT the run is complete')
end
if state.status == STATUS_PAUSED and ARGV[1] == STATUS_RUNNING then
  put_scored(DEADLINES, text(now_ms() + state.lease_ms), redis.call('ZRANGE', DEADLINES, 0, -1))
end
redis.call('HSET', STATE, STATE_STATUS, ARGV[1])
return 1
