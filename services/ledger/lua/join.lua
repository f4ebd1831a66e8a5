-- join(name, threads, kernel, evaluates, public key or ""): worker, head. Numbers start at 1 and are never used again.
local state = load_state()
if not state then
  return no_run()
end
if ARGV[5] ~= '' and redis.call('HEXISTS', STATE, 'barred:' .. ARGV[5]) == 1 then
  return redis.error_reply('FORBIDDEN a worker with the key ' .. ARGV[5] .. ' was put in quarantine')
end
local worker = text(redis.call('HINCRBY', STATE, STATE_NEXT_WORKER, 1))
local now = text(now_ms())
redis.call('HSET', WORKERS, worker .. WORKER_NAME, ARGV[1], worker .. WORKER_THREADS, ARGV[2],
           worker .. WORKER_KERNEL, ARGV[3], worker .. WORKER_JOINED, now, worker .. WORKER_SEEN, now)
if ARGV[4] == '0' then
  redis.call('HSET', WORKERS, worker .. WORKER_SLOTS_ONLY, '1')
end
if ARGV[5] ~= '' then
  redis.call('HSET', WORKERS, worker .. WORKER_KEY, ARGV[5])
end
return {tonumber(worker), state.head}
