"""What each figure of a replay shows, in a sentence, for readers who cannot see it or are in a hurry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leverline.enforce.effects import Breaker
from leverline.report import wording
from leverline.report.replay.content import Interruption, PricePicture, ReplayPicture, Steps
from leverline.report.wording import NS_PER_S


def price(shown: PricePicture) -> str:
    """From where to where, the extremes, and how long the market was not open to all."""
    mark, value = shown.mark, shown.mark.value
    low, high = int(value.argmin()), int(value.argmax())
    text = (f"{shown.symbol}: from {_price(value[0])} to {_price(value[-1])}, lowest {_price(value[low])} "
            f"({second(int(mark.ts[low]))}), highest {_price(value[high])} ({second(int(mark.ts[high]))}).")
    return text + _interrupted(shown.interruptions) + thinned([mark])


def _interrupted(parts: Sequence[Interruption]) -> str:
    said = []
    for state in Breaker:
        of_state = [part for part in parts if part.state is state]
        if of_state:
            total = sum(part.end_ns - part.start_ns for part in of_state) / NS_PER_S
            times = "once" if len(of_state) == 1 else f"{len(of_state)} times"
            said.append(f"{state.value} {times}, {wording.about(max(total, 1.0))} together")
    return f" Shaded: {', '.join(said)}." if said else ""


def closed(stages: Sequence[Steps], currency: str) -> str:
    """The end of every line."""
    said = [f"{steps.name} {wording.notional(float(steps.value[-1]), currency)}" for steps in stages]
    return f"Added up from the beginning, by stage of the waterfall: {', '.join(said)}.{thinned(stages)}"


def funds(balances: Sequence[Steps], currency: str) -> str:
    """What each fund had at its height, at its lowest since, and at the end."""
    said = []
    for steps in balances:
        after_height = steps.value[int(steps.value.argmax()):]
        said.append(f"{steps.name}: at most {wording.notional(float(steps.value.max()), currency)}, then no less than "
                    f"{wording.notional(float(after_height.min()), currency)}, "
                    f"{wording.notional(float(steps.value[-1]), currency)} at the end")
    return f"{'; '.join(said)}.{thinned(balances)}"


def losses(shown: ReplayPicture) -> str:
    """Both ends; what is unpaid stands in the last step."""
    lost, closed_out = (wording.notional(float(steps.value[-1]), shown.settlement)
                        for steps in (shown.bad_debt, shown.deleveraged))
    return (f"Added up from the beginning: bad debt {lost}, paid by funds and shared when it arose, what is unpaid at "
            f"the end; positions of winners closed against bankrupt accounts {closed_out}."
            + thinned([shown.bad_debt, shown.deleveraged]))


def accounts(shown: ReplayPicture) -> str:
    """Where the counts began and ended, and the worst of them."""
    opened, under = shown.open_accounts, shown.underwater
    worst = int(under.value.argmax())
    text = (f"{wording.count(float(opened.value.max()))} accounts with a position at most, "
            f"{wording.count(float(opened.value[-1]))} at the end. ")
    text += "None was found with negative equity." if not under.value.any() else (
        f"At most {wording.count(float(under.value[worst]))} at once had negative equity "
        f"({second(int(under.ts[worst]))}).")
    every = shown.accounts_every
    return text + (f" Counted at one price in {wording.count(every)}." if every > 1 else " Counted at every price.")


def thinned(lines: Sequence[Steps]) -> str:
    """That not every change is drawn, where that is so."""
    fewer = [steps for steps in lines if steps.stride > 1]
    if not fewer:
        return ""
    most = max(fewer, key=lambda steps: steps.changes)
    return (f" Of {wording.count(most.changes)} changes those are drawn that are the first, lowest, highest or last of "
            f"{wording.count(most.stride)} in succession.")


def second(ts_ns: int) -> str:
    """``2020-03-12 10:44:00``, of an instant in UTC."""
    return f"{wording.instant(ts_ns):%Y-%m-%d %H:%M:%S}"


def _price(value: np.floating | float) -> str:
    return wording.number(float(value), 6) or "unknown"
