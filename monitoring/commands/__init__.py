"""What `celery -A app monitor` can do, one command per file; `monitoring.cli` names them."""
