-- commit(round, chain before, chain, encoded round, evaluations in it): 1, or 0 where the round was committed before.
local state = load_state()
local round = tonumber(ARGV[1])
if not state then
  return no_run()
end
if state.head > round then
  return 0
end
if state.head < round or state.chain ~= ARGV[2] or not is_full(state) then
  return redis.error_reply('CONFLICT round ' .. ARGV[1] .. ' does not follow the committed ones')
end
local head = round + 1
local records = redis.call('HLEN', OPEN)
if records < state.slots then -- a quorum: nobody needs the others any more
  for slot = 0, state.slots - 1 do
    if redis.call('HEXISTS', OPEN, slot) == 0 then
      finish('s:' .. text(round) .. ':' .. slot)
    end
  end
end
redis.call('XADD', LOG, text(head) .. '-0', 'b', ARGV[4])
redis.call('HSET', STATE, 'head', text(head), 'chain', ARGV[3])
redis.call('HINCRBY', STATE, 'records', records)
redis.call('DEL', OPEN)
redis.call('LTRIM', QUEUED, ARGV[5], -1)
open_round(state, head)
if head == state.rounds then
  redis.call('HSET', STATE, 'status', 'complete')
end
return 1
