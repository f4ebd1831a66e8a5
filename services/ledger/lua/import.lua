-- import(head, chain there, chain after, past, highest worker number in use, records, evaluations, for each of them:
-- round, "examples:correct:loss"; then the encoded rounds head, head + 1, ...): head.
-- Committed rounds of another ledger, or of a file, that continue the log. What was open is void: it is of a round that
-- the log has now. No work is given before the log has `past` rounds.
local state = load_state()
if not state then
  return no_run()
end
if text(state.head) ~= ARGV[1] or state.chain ~= ARGV[2] then
  return redis.error_reply('CONFLICT the log has grown beyond round ' .. ARGV[1] .. ' meanwhile')
end
state.past = math.max(state.past, tonumber(ARGV[4]))
local next_worker = math.max(tonumber(redis.call('HGET', STATE, STATE_NEXT_WORKER)), tonumber(ARGV[5]))
local first = 8 + 2 * tonumber(ARGV[7])
for i = 8, first - 1, 2 do
  redis.call('HSET', EVALUATIONS, ARGV[i], ARGV[i + 1])
  redis.call('LREM', QUEUED, 0, ARGV[i])
end
local head = state.head
for i = first, #ARGV do
  head = head + 1
  redis.call('XADD', LOG, text(head) .. '-0', LOG_FIELD, ARGV[i])
end
redis.call('HSET', STATE, STATE_HEAD, text(head), STATE_CHAIN, ARGV[3], STATE_PAST, text(state.past), STATE_NEXT_WORKER,
           text(next_worker))
redis.call('HINCRBY', STATE, STATE_RECORDS, ARGV[6])
redis.call('DEL', OPEN, FREE, LEASES, HOLDERS, CHUNKS, CHECKS, DUE)
open_round(state, head)
-- The last evaluation that was due may have been under way, or be in a round that was not imported.
local due = state.every > 0 and head - head % state.every or head
if head >= state.past and due < head and redis.call('HEXISTS', EVALUATIONS, text(due)) == 0 then
  add_work('e', due, state.chunks)
end
if head == state.rounds then
  redis.call('HSET', STATE, STATE_STATUS, STATUS_COMPLETE)
end
return head
