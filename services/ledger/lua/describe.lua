-- describe(): now, free, leased, state as names and values, workers as names and values, holders, evaluations.
if not load_state() then
  return no_run()
end
return {now_ms(), redis.call('ZCARD', FREE), redis.call('ZCARD', LEASES), redis.call('HGETALL', STATE),
        redis.call('HGETALL', WORKERS), redis.call('HGETALL', HOLDERS), redis.call('HGETALL', EVALUATIONS)}
