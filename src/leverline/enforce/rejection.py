"""How a handler says no: it raises, and the venue takes back whatever was written."""

from __future__ import annotations

from leverline.enforce.effects import Reject


class RejectedError(Exception):
    """The event cannot be applied; ``reason`` is the code that its sender sees."""

    def __init__(self, reason: Reject, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def reject_unless(condition: bool, reason: Reject, detail: str = "") -> None:
    """Raise :class:`RejectedError` unless ``condition`` holds."""
    if not condition:
        raise RejectedError(reason, detail)
