"""What bots do, as Celery tasks. Every task takes plain JSON values and returns plain JSON values."""
