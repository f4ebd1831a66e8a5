-- create(manifest, id, lease_ms, quorum, quorum_ms, past, highest worker number in use, then the plan of the first
-- rounds: see open_work): 1, or 0 where the run is there already.
if redis.call('EXISTS', STATE) == 1 then
  return 0
end
redis.call('SET', MANIFEST, ARGV[1])
redis.call('HSET', STATE, STATE_HEAD, '0', STATE_CHAIN, ARGV[2], STATE_STATUS, STATUS_RUNNING, STATE_LEASE_MS, ARGV[3],
           STATE_QUORUM, ARGV[4], STATE_QUORUM_MS, ARGV[5], STATE_PAST, ARGV[6], STATE_NEXT_WORKER, ARGV[7],
           STATE_LOST_LEASES, '0', STATE_RECORDS, '0', STATE_CREATED, text(now_ms()))
open_work(load_state(), 8)
return 1
