-- import(head, chain there, chain after, past, highest worker number in use, records, 1 where the run is complete then,
-- evaluations, rounds, for each evaluation: round, "examples:correct:loss"; the encoded rounds head, head + 1, ...; then
-- the plan of what opens: see open_work): head.
-- Committed rounds of another ledger, or of a file, that continue the log. What was open is void: it is of rounds that
-- the log has now, or was computed at a state that is another one now. C plans nothing before the log has `past` rounds.
local state = load_state()
if not state then
  return no_run()
end
if text(state.head) ~= ARGV[1] or state.chain ~= ARGV[2] then
  return redis.error_reply('CONFLICT the log has grown beyond round ' .. ARGV[1] .. ' meanwhile')
end
local evaluations = 10
local encoded = evaluations + 2 * tonumber(ARGV[8])
local plan = encoded + tonumber(ARGV[9])
local next_worker = math.max(tonumber(redis.call('HGET', STATE, STATE_NEXT_WORKER)), tonumber(ARGV[5]))
for i = evaluations, encoded - 1, 2 do
  redis.call('HSET', EVALUATIONS, ARGV[i], ARGV[i + 1])
  redis.call('LREM', QUEUED, 0, ARGV[i])
end
local head = state.head
for i = encoded, plan - 1 do
  head = head + 1
  redis.call('XADD', LOG, text(head) .. '-0', LOG_FIELD, ARGV[i])
end
redis.call('HSET', STATE, STATE_HEAD, text(head), STATE_CHAIN, ARGV[3], STATE_PAST, ARGV[4],
           STATE_NEXT_WORKER, text(next_worker))
redis.call('HINCRBY', STATE, STATE_RECORDS, ARGV[6])
redis.call('DEL', ROUNDS, OPEN, FREE, ADDRESSED, LEASES, HOLDERS, DEADLINES, LAPSED, CHUNKS, CHECKS, DUE)
if ARGV[7] == '1' then
  redis.call('HSET', STATE, STATE_STATUS, STATUS_COMPLETE)
end
open_work(state, plan)
return head
