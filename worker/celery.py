"""The Celery application: `celery -A worker start`, and what Flask and beat send tasks with."""

import os
import sys

from celery import Celery

import monitoring
from monitoring.settings import Settings, SettingsError
from worker import celeryconfig
from worker.settings import trading_settings

TASKS = ("worker.tasks.orders", "worker.tasks.positions", "worker.tasks.market", "worker.tasks.strategy")

try:
    settings = Settings.from_env()
    trading = trading_settings()
    trading.server_url(settings)
except SettingsError as error:
    # Raised from here, Celery and gunicorn would show a traceback that ends in the same words.
    sys.stderr.write(f"{error}\n")
    sys.exit(os.EX_CONFIG)

broker_url = settings.broker_url.get_secret_value()
app = Celery("worker", broker=broker_url, backend=settings.result_backend.get_secret_value(), include=TASKS)
app.config_from_object(celeryconfig)
app.conf.broker_transport_options = celeryconfig.transport_options(broker_url)
app.conf.beat_schedule = celeryconfig.beat_schedule(trading.exchanges, trading.beat_seconds)
# Celery's "current app" is per thread: without this, a web server's threads would find an unconfigured one.
app.set_default()

trading.register_secrets()
# Without it, a frame is the application's only where it is started in its own folder and not installed as a package.
monitoring.init_sentry(settings, in_app_include=["worker", "flask_app"])
