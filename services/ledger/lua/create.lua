-- create(manifest, id, rounds, slots, every, chunks, lease_ms, quorum, quorum_ms, past, highest worker number in use):
-- 1, or 0 where the run is there already.
if redis.call('EXISTS', STATE) == 1 then
  return 0
end
local state = {rounds = tonumber(ARGV[3]), slots = tonumber(ARGV[4]), every = tonumber(ARGV[5]),
               chunks = tonumber(ARGV[6]), quorum = tonumber(ARGV[8]), past = tonumber(ARGV[10])}
redis.call('SET', MANIFEST, ARGV[1])
redis.call('HSET', STATE, 'head', '0', 'chain', ARGV[2], 'status', 'running', 'rounds', ARGV[3], 'slots', ARGV[4],
           'every', ARGV[5], 'chunks', ARGV[6], 'lease_ms', ARGV[7], 'quorum', ARGV[8], 'quorum_ms', ARGV[9],
           'past', ARGV[10], 'next_worker', ARGV[11], 'lost_leases', '0', 'records', '0',
           'created', text(now_ms()))
open_round(state, 0)
return 1
