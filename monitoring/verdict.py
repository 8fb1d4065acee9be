"""What the noise filter of this process would decide about an error, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring import filtering, sdk

if TYPE_CHECKING:
    from monitoring.filtering import Decision


def explain(error: BaseException, **where: Any) -> Decision:
    """Tell what the filter in force would decide about an error now, by which rule, and why; `print` it.

    `where` says where it was raised: `exchange`, `task`, `operation`, `bot_id`, `symbol`, `environment` (by default the
    settings'), `moves_money`, `throws` (the classes that the task declares), and `web` for a web request. Nothing is
    counted and nothing is sent; how often the error was seen is asked of the window that all processes share. Where
    monitoring is off, the default policy answers, as if nothing had failed before.
    """
    settings = sdk.started()
    if settings is not None:
        where.setdefault("environment", settings.environment)
    return filtering.explain(error, sdk.event_filter(), **where)
