-- join(name, threads, kernel, evaluates, public key or ""): worker, head.
-- Numbers start at 1 and are never used again, but by the same key: a worker that comes back with it is the same one. What
-- it held is free again, since it may not know of it any more.
local state = load_state()
if not state then
  return no_run()
end
local name, threads, kernel, evaluates, key = unpack(ARGV)
local worker = key ~= '' and redis.call('HGET', IDENTITIES, key)
if worker and redis.call('HEXISTS', WORKERS, worker .. WORKER_QUARANTINED) == 1 then
  return redis.error_reply('FORBIDDEN a worker with the key ' .. key .. ' was put in quarantine')
end
local now = text(now_ms())
if worker then
  for _, work in ipairs(holdings()[worker] or {}) do
    give_back(work)
  end
  redis.call('HDEL', WORKERS, worker .. WORKER_LEFT, worker .. WORKER_SLOTS_ONLY)
else
  worker = text(redis.call('HINCRBY', STATE, STATE_NEXT_WORKER, 1))
  redis.call('HSET', WORKERS, worker .. WORKER_JOINED, now)
end
redis.call('HSET', WORKERS, worker .. WORKER_NAME, name, worker .. WORKER_THREADS, threads, worker .. WORKER_KERNEL,
           kernel, worker .. WORKER_SEEN, now)
if evaluates == '0' then
  redis.call('HSET', WORKERS, worker .. WORKER_SLOTS_ONLY, '1')
end
if key ~= '' then
  redis.call('HSET', WORKERS, worker .. WORKER_KEY, key)
  redis.call('HSET', IDENTITIES, key, worker)
end
return {tonumber(worker), state.head}
