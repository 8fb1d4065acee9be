"""Celery's signals, one moment of a task's life per file; `integration.py` connects them."""
