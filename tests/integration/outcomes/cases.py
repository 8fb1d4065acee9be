"""The hard cases of monitoring Celery, and which tests hold each."""

OUTCOMES = "tests/integration/outcomes"
EVERY = f"{OUTCOMES}/test_every_outcome.py::test_the_number_of_events_is_the_number_promised"
STORIES = f"{OUTCOMES}/test_stories.py"
DELIVERY = "tests/integration/delivery"
LIFE = "tests/integration/test_task_lifecycle.py"

#: (case, tests by file and function, in brackets the scenario).
CASES = (
    ("A hard time limit, which Celery tells twice and logs three times", (f"{EVERY}[hard-limit]",)),
    (
        "A process killed by the kernel or a signal",
        (f"{EVERY}[killed]", f"{STORIES}::test_what_is_known_of_a_lost_processs_memory_is_told"),
    ),
    (
        "`reject_on_worker_lost`: run and killed again and again, without any signal",
        (f"{EVERY}[killed-again-and-again]", f"{STORIES}::test_each_run_of_a_redelivered_order_is_counted"),
    ),
    (
        "`retry_on_worker_lost`: the main process publishes the next attempt",
        (f"{EVERY}[retried-when-lost]", f"{STORIES}::test_a_killed_attempt_is_in_the_story_of_the_next"),
    ),
    (
        "Attempts of one task in several processes and workers",
        (f"{LIFE}::test_the_trail_crosses_processes", f"{LIFE}::test_the_trail_survives_its_worker"),
    ),
    (
        "Machines whose clocks disagree",
        (f"{STORIES}::test_breadcrumbs_are_in_the_order_of_attempts_whatever_the_clocks_say",),
    ),
    ("More breadcrumbs than a message can carry", (f"{STORIES}::test_the_trail_stays_within_its_bound",)),
    (
        "A producer without monitoring",
        (f"{EVERY}[stranger]", f"{STORIES}::test_a_task_of_an_unmonitored_producer_keeps_its_story"),
    ),
    (
        "The trail in chains, chords and groups",
        (f"{STORIES}::test_no_trail_leaks_along_a_chain", f"{STORIES}::test_no_trail_leaks_between_members_of_a_group"),
    ),
    (
        "A retry with other arguments",
        (f"{EVERY}[other-bot]", f"{STORIES}::test_a_retry_with_other_arguments_is_the_other_bots"),
    ),
    ("`max_retries=0` and `retry(throw=False)`", (f"{EVERY}[never-retried]", f"{EVERY}[quiet-retry-fails]")),
    ("A cold shutdown", (f"{EVERY}[cold]", f"{EVERY}[cold-late]")),
    (
        "Processes that are recycled while Sentry is slow",
        (f"{DELIVERY}/test_processes.py::test_recycled_children_lose_nothing_to_a_slow_sentry",),
    ),
    (
        "A fork after the main process has sent, or while it has something to send",
        (f"{DELIVERY}/test_processes.py::test_children_neither_copy_nor_lose_after_a_parents_event",),
    ),
    (
        "Sentry away, limiting or hanging",
        (
            f"{DELIVERY}/test_failing_sentry.py::test_errors_outlive_a_failing_sentry",
            f"{DELIVERY}/test_failing_sentry.py::test_a_hanging_sentry_bounds_the_stop_and_keeps_what_is_left",
        ),
    ),
    ("A result that cannot be stored", (f"{EVERY}[unserialisable]",)),
    ("Keyword arguments that are no mapping", (f"{EVERY}[kwargs-no-mapping]",)),
    (
        "An unknown task or an unreadable body, with a key in it",
        (
            f"{EVERY}[unknown]",
            f"{EVERY}[undecodable]",
            f"{OUTCOMES}/test_every_outcome.py::test_no_message_body_leaves",
        ),
    ),
    (
        "A revoke before the start, while it runs, by a stamp; an expiry",
        (f"{EVERY}[revoked]", f"{EVERY}[terminated]", f"{EVERY}[revoked-by-stamp]", f"{EVERY}[expired]"),
    ),
    (
        "Queue wait under countdown, back-off and a busy worker",
        (f"{LIFE}::test_countdown_and_back_off_are_no_queue_wait", f"{LIFE}::test_waiting_for_a_worker_is_queue_wait"),
    ),
    (
        "Tasks that overlap in threads and greenlets, with helper threads",
        (f"{OUTCOMES}/test_scopes.py::test_overlapping_tasks_share_nothing",),
    ),
    (
        "Direct and eager calls inside a task or a request",
        (
            f"{STORIES}::test_an_inner_task_leaves_the_outer_ones_words_alone",
            "tests/unit/core/test_called_in_a_request.py::test_a_task_called_in_a_request_leaves_the_requests_words_alone",
        ),
    ),
    (
        "Values that answer no question",
        (f"{EVERY}[odd-error]", f"{STORIES}::test_odd_values_cost_neither_the_event_nor_the_task"),
    ),
    ("A trace that its producer has not sampled", (f"{EVERY}[unsampled]",)),
)


def table() -> str:
    """Return the list as the second table of docs/reference/events.md."""
    rows = ["| case | held by |", "| --- | --- |"]
    for case, tests in CASES:
        names = "<br>".join(f"`{test.rpartition('::')[2]}`" for test in tests)
        rows.append(f"| {case} | {names} |")
    return "\n".join(rows)
