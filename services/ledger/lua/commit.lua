-- commit(round, chain before, chain, encoded round, evaluations in it, verify rate, seed, bytes of a signature (0: the
-- run is not signed), signatures): 1, or 0 where the round was committed before.
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

-- The slots that another worker computes again (check.lua): a share `rate` of 256, and all of a worker that has nothing
-- to its credit. They are drawn now that the codes are in, from a seed that no worker can know.
local CHECKS_MAX = 4096

local function draw_checks(rate)
  local all = rate > 0 and redis.call('HLEN', CHECKS) < CHECKS_MAX and redis.call('HGETALL', OPEN) or {}
  local trusted = {}
  math.randomseed(tonumber(ARGV[7]))
  for i = 1, #all, 2 do
    local colon = string.find(all[i + 1], ':', 1, true)
    local worker = string.sub(all[i + 1], 1, colon - 1)
    if trusted[worker] == nil then
      trusted[worker] = tonumber(redis.call('HGET', WORKERS, worker .. WORKER_STANDING) or 0) > 0
    end
    if math.random(0, 255) < rate or not trusted[worker] then
      local work = 'v:' .. text(round) .. ':' .. all[i]
      redis.call('HSET', CHECKS, work, cmsgpack.pack({{worker, string.sub(all[i + 1], colon + 1, -1 - tonumber(ARGV[8]))}}))
      redis.call('ZADD', DUE, turn_of(work), work)
    end
  end
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
redis.call('XADD', LOG, text(head) .. '-0', LOG_FIELD, ARGV[4])
if ARGV[8] ~= '0' then
  redis.call('XADD', SIGNATURES, text(head) .. '-0', SIGNATURES_FIELD, ARGV[9])
end
redis.call('HSET', STATE, STATE_HEAD, text(head), STATE_CHAIN, ARGV[3])
redis.call('HINCRBY', STATE, STATE_RECORDS, records)
draw_checks(tonumber(ARGV[6]))
redis.call('DEL', OPEN)
redis.call('LTRIM', QUEUED, ARGV[5], -1)
open_round(state, head)
if head == state.rounds then
  redis.call('HSET', STATE, STATE_STATUS, STATUS_COMPLETE)
end
return 1
