"""The trading worker: Celery app, tasks and exchanges. Deliberately empty, so that importing it starts nothing."""
