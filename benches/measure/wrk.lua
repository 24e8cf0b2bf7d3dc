-- What wrk sends, and its summary as one line of JSON. After `--`: the path (`%d` in it becomes an id), how many ids
-- there are, and for a steady rate the mean pause of each connection in milliseconds.

local payload = '{"Data":{"req":{"Url":"http://localhost:7071/api/plain","Method":"GET","Query":{},'
   .. '"Headers":{"Accept":["*/*"],"Host":["localhost:7071"],"User-Agent":["curl/8.5.0"]},'
   .. '"Params":{},"Identities":[]}},"Metadata":{"Query":{},'
   .. '"Headers":{"Accept":"*/*","Host":"localhost:7071","User-Agent":"curl/8.5.0"},"Params":{},'
   .. '"sys":{"MethodName":"Plain","UtcNow":"2026-01-01T12:00:00.000Z",'
   .. '"RandGuid":"5b0c7d39-3b0e-4b6f-9a27-0c3b5a6f0d11"}}}'

function init(args)
   local path, ids, pause = args[1], tonumber(args[2]), tonumber(args[3])
   math.randomseed(7)
   -- As the Functions host adds them.
   wrk.headers["X-Azure-Functions-InvocationId"] = "3f6a2f0e-7f0b-4e63-8c39-58f4a1f0d6b2"
   wrk.headers["X-Azure-Functions-HostVersion"] = "4.1036.0"
   wrk.path = path
   if path == "/Plain" then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/json; charset=utf-8"
      wrk.body = payload
   end
   if path:find("%%d") then
      request = function() return wrk.format(nil, path:format(math.random(ids))) end
   end
   if pause > 0 then
      delay = function() return math.random(0, 2 * pause) end
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format(
      '\n{"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p99":%f}\n',
      summary.requests, summary.duration / 1e6, failed,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
