"""Celery worker monitoring for trading platforms."""
