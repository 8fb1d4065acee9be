"""Run the real thing on this machine: servers, workers and a Sentry, each a local process or a loopback port."""
