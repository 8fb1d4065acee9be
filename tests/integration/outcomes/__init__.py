"""Every way a task can end: what is promised of it, how it is brought about, and what Sentry received."""
