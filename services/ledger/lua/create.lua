-- create(manifest, id, rounds, slots, every, chunks, lease_ms, quorum, quorum_ms, past, highest worker number in use):
-- 1, or 0 where the run is there already.
if redis.call('EXISTS', STATE) == 1 then
  return 0
end
local state = {rounds = tonumber(ARGV[3]), slots = tonumber(ARGV[4]), every = tonumber(ARGV[5]),
               chunks = tonumber(ARGV[6]), quorum = tonumber(ARGV[8]), past = tonumber(ARGV[10])}
redis.call('SET', MANIFEST, ARGV[1])
redis.call('HSET', STATE, STATE_HEAD, '0', STATE_CHAIN, ARGV[2], STATE_STATUS, STATUS_RUNNING,
           STATE_ROUNDS, ARGV[3], STATE_SLOTS, ARGV[4], STATE_EVERY, ARGV[5], STATE_CHUNKS, ARGV[6],
           STATE_LEASE_MS, ARGV[7], STATE_QUORUM, ARGV[8], STATE_QUORUM_MS, ARGV[9], STATE_PAST, ARGV[10],
           STATE_NEXT_WORKER, ARGV[11], STATE_LOST_LEASES, '0', STATE_RECORDS, '0', STATE_CREATED, text(now_ms()))
open_round(state, 0)
return 1
