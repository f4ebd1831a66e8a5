-- pause(STATUS_PAUSED or STATUS_RUNNING): 1. A paused run gives no leases; what is being computed still counts.
local state = load_state()
if not state then
  return no_run()
end
if state.status == STATUS_COMPLETE then
  return redis.error_reply('CONFLICT the run is complete')
end
redis.call('HSET', STATE, STATE_STATUS, ARGV[1])
return 1
