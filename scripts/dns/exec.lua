-- Any program of the user's that sets records.

local function run(action, challenge, options)
  local arguments = { action, challenge.fqdn, challenge.value }
  if options.EXEC_MODE == "RAW" then
    -- A token may begin with a dash, which is no flag.
    local key = challenge.key_authorization
    arguments = { action, "--", challenge.domain, challenge.token, key }
  end
  local ran, why = machine.run(options.EXEC_PATH, arguments, { timeout = "4m" })
  if not ran then error(options.EXEC_PATH .. ": " .. why, 0) end
  for line in string.gmatch(ran.output, "[^\r\n]+") do log.info(line) end
  if ran.status ~= 0 then
    local last = string.match(ran.output, "([^\r\n]*)[\r\n]*$")
    local ended = ran.status and "ended with " .. ran.status or "was ended by a signal"
    error(string.format("%s %s: %s", options.EXEC_PATH, ended, last), 0)
  end
end

return {
  name = "External program",

  schema = {
    doc = "Runs a program of yours, without a shell: `PROGRAM present FQDN VALUE`, and `cleanup` "
      .. "in the same way. It has failed when it ends with something else than 0. What it writes "
      .. "is logged.",
    EXEC_PATH = { type = "string", required = true, doc = "The program." },
    EXEC_MODE = {
      type = "string", doc = "`RAW` runs `PROGRAM present -- DOMAIN TOKEN KEY_AUTH` instead.",
    },
    EXEC_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    EXEC_POLLING_INTERVAL = { type = "duration", default = 2, doc = "How often to look for it." },
    EXEC_SEQUENCE_INTERVAL = {
      type = "duration", default = 60, doc = "The pause between two records.",
    },
  },

  present = function(challenge, ctx) run("present", challenge, ctx.options) end,
  cleanup = function(challenge, ctx) run("cleanup", challenge, ctx.options) end,
}
