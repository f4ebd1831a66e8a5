-- leave(worker): how many leases came back.
local worker = ARGV[1]
if not load_state() then
  return no_run()
end
if redis.call('HEXISTS', WORKERS, worker .. WORKER_NAME) == 0 then
  return no_worker(worker)
end
local held = holdings()[worker] or {}
for _, work in ipairs(held) do
  give_back(work)
end
redis.call('HSET', WORKERS, worker .. WORKER_LEFT, '1', worker .. WORKER_SEEN, text(now_ms()))
return #held
