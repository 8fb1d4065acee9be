"""From event to Sentry: the transport, and what a fork must not share."""
