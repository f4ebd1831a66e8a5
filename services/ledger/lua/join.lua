-- join(name, threads, kernel, evaluates, public key or ""): worker, head. Numbers start at 1 and are never used again.
local state = load_state()
if not state then
  return no_run()
end
if ARGV[5] ~= '' and redis.call('HEXISTS', STATE, 'barred:' .. ARGV[5]) == 1 then
  return redis.error_reply('FORBIDDEN a worker with the key ' .. ARGV[5] .. ' was put in quarantine')
end
local worker = text(redis.call('HINCRBY', STATE, 'next_worker', 1))
local now = text(now_ms())
redis.call('HSET', WORKERS, worker .. ':name', ARGV[1], worker .. ':threads', ARGV[2], worker .. ':kernel', ARGV[3],
           worker .. ':joined', now, worker .. ':seen', now)
if ARGV[4] == '0' then
  redis.call('HSET', WORKERS, worker .. ':slots_only', '1')
end
if ARGV[5] ~= '' then
  redis.call('HSET', WORKERS, worker .. ':key', ARGV[5])
end
return {tonumber(worker), state.head}
