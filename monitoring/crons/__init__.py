"""Periodic tasks: Sentry's cron monitors from beat's own schedule, and punctuality for what Sentry cannot watch."""
