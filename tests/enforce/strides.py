"""The same events by strides and one by one: what the tests of recovery hold together."""

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.catching_up import stride
from leverline.enforce.events import Event
from leverline.enforce.venue import Venue


def must_end_alike(striding: Venue, stepping: Venue, log: Sequence[Event], cut: int) -> None:
    """Take ``log`` both ways, the strides in batches of ``cut``; about each 100 events the states are equal."""
    strode = 0
    for first in range(0, len(log), cut):
        part, place = log[first:first + cut], 0
        while (after := stride(striding, part, place)) < len(part):
            strode += after - place
            striding.apply(part[after])
            place = after + 1
        strode += after - place
        for event in part:
            stepping.apply(event)
        if first // 100 < (first + cut) // 100:
            assert striding.state.digest() == stepping.state.digest()
    assert strode > 100
