"""What stands where something was taken out. Every mark is left as it is by a second scrubbing."""

from typing import Final

FILTERED: Final = "[Filtered]"  # the SDK's and Relay's own word: the Sentry UI knows it
TRUNCATED: Final = "[Truncated]"
TOO_DEEP: Final = "[Too deep]"
TOO_LARGE: Final = "[Too large]"
CYCLE: Final = "[Cycle]"
FAILED: Final = "[Scrubbing failed]"

MARKS: Final = (FILTERED, TRUNCATED, TOO_DEEP, TOO_LARGE, CYCLE, FAILED)
