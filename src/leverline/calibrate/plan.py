"""The schedule of legal steps from one book to another, and the risk along the way.

A policy is asked again and again at the first time at which it may step, with the target unchanged, until it moves
nothing more. What is then still apart cannot be reached by it, and its last reason says why. Where accounts and marks
are given, a governor makes no step that liquidates at unchanged prices; a steward's contract does not look at accounts,
so the plan says whom its steps would.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from leverline.calibrate.collateral_steps import STEERED
from leverline.calibrate.diff import shown
from leverline.calibrate.governed_parameter import Why
from leverline.calibrate.governor import instant, nanoseconds
from leverline.ground.display import DisplayTable, ShownAsTables
from leverline.ground.errors import UsageError, require
from leverline.market.times import iso
from leverline.model.accounts import AccountBook
from leverline.model.limitbook import LimitBook
from leverline.model.market_state import MarketState
from leverline.model.policy import LimitPolicy, PolicyState, PolicyStep

MAX_ROUNDS = 20_000
"""Dates of a schedule: fifty years of daily steps."""
_UNDONE = frozenset({Why.ADOPTED.value, Why.AT_TARGET.value})
_WAITING = (Why.HELD.value, Why.LIQUIDATES.value)
"""Reasons that time alone does not lift: another limit has to move first."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One legal step. ``left`` is the relative distance that remains, target over new less 1; ``step`` counts from 1.

    For an instrument's tiers values are how much more is asked than before the step, at the size where that is most.
    """

    at: str
    pointer: str
    step: int
    old: float | None
    new: float | None
    target: float | None
    left: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """A number that the policy leaves short of its target, and why."""

    pointer: str
    stops_at: float | None
    target: float | None
    why: str


@dataclass(frozen=True, slots=True)
class AssetRisk:
    """How safe loans against an asset are from a date on, beside how safe they would be at the target.

    ``fall_before_bad_debt`` is how far the collateral may fall, from the price at which a loan becomes liquidatable,
    before seizing no longer covers the debt: 1 - threshold * (1 + bonus). ``loop_leverage`` is 1 / (1 - ltv).
    """

    at: str
    asset: str
    fall_before_bad_debt: float | None
    fall_before_bad_debt_at_target: float | None
    loop_leverage: float | None
    loop_leverage_at_target: float | None


@dataclass(frozen=True, slots=True)
class PlannedLiquidation:
    """A pool that one date's steps would liquidate at unchanged prices, and what it holds."""

    at: str
    account: str
    symbols: tuple[str, ...]
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan(ShownAsTables):
    """The whole way; ``days`` from the start until the last step. Without accounts ``liquidations`` is None."""

    current_id: str
    target_id: str
    start: str
    complete_at: str | None
    days: float
    steps: tuple[PlannedStep, ...]
    unreached: tuple[Unreached, ...]
    risk: tuple[AssetRisk, ...]
    liquidations: tuple[PlannedLiquidation, ...] | None
    final: LimitBook

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """Steps, then what is not reached."""
        steps = [(s.at, _words(s.pointer), *(shown(s.pointer, x) for x in (s.old, s.new, s.target)), s.reason)
                 for s in self.steps]
        rest = [(_words(u.pointer), shown(u.pointer, u.stops_at), shown(u.pointer, u.target), u.why)
                for u in self.unreached]
        return (DisplayTable(f"Legal steps from {self.start}", ("at", "limit", "from", "to", "target", "why"), steps),
                DisplayTable("Not reached", ("limit", "stops at", "target", "why"), rest))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; without the final book."""
        return {name: [asdict(row) for row in value] if isinstance(value, tuple) else value
                for name in ("current_id", "target_id", "start", "complete_at", "days", "steps", "unreached", "risk",
                             "liquidations")
                for value in (getattr(self, name),)}


def plan_steps(
    current: LimitBook, target: LimitBook, policy: LimitPolicy, *, start_ns: int | None = None,
    accounts: AccountBook | None = None, marks: MarketState | None = None,
) -> Plan:
    """Walk from ``current`` to ``target`` as fast as ``policy`` allows.

    ``start_ns`` (UTC): the first step may be taken then. By default the way begins when ``current`` was adopted, its
    as-of time, and the first step follows one minimum delay later. ``accounts`` are valued at ``marks`` all the way.
    """
    require(current.settlement == target.settlement, "books settle in the same asset",
            got=(current.settlement, target.settlement))
    adopted = nanoseconds(current.as_of) if start_ns is None else None
    begin = nanoseconds(current.as_of) if start_ns is None else start_ns
    require((accounts is None) == (marks is None), "accounts are valued at marks: give both")
    book, state = current, PolicyState(begin, adopted_ns=adopted, accounts=accounts, marks=marks)
    steps: list[PlannedStep] = []
    hit: list[PlannedLiquidation] = []
    risk = list(_risks(begin, book, target))
    last = begin
    for _ in range(MAX_ROUNDS):
        # the calibration is taken to be repeated with the same result, so it never grows stale on the way
        made = policy.next_book(book, target.model_copy(update={"as_of": instant(state.now_ns)}), state)
        steps += _moves(made, steps, state.now_ns)
        if made.book is not book:
            last = state.now_ns
            hit += _liquidated(book, made.book, state)
            risk += [row for row in _risks(state.now_ns, made.book, target) if row not in risk]
        book = made.book
        due = _next_time(made, state.now_ns)
        if due is None:
            return Plan(current.id, target.id, iso(begin), iso(last) if steps else None,
                        (last - begin) / 86_400e9, tuple(steps), _unreached(made), tuple(risk),
                        None if accounts is None else tuple(hit), book)
        state = replace(made.state, now_ns=due)
    raise UsageError(f"no end after {MAX_ROUNDS} dates", remedy="the books are too far apart for this policy")


def _words(pointer: str) -> str:
    """A JSON pointer for readers: whose limit, then which one."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return " ".join([*parts[1:2], *(part.replace("_", " ") for part in parts[2:])]) if len(parts) > 1 else pointer


def _next_time(made: PolicyStep, now_ns: int) -> int | None:
    """When something may move again: a delay ends, or an announced schedule does."""
    moving = any(d.moved for d in made.decisions)
    due = [d.due_ns for d in made.decisions
           if d.due_ns is not None and d.due_ns > now_ns and (moving or not d.reason.startswith(_WAITING))]
    due += [line.until_ns for line in made.state.announcements.values() if line.until_ns > now_ns]
    return min(due, default=None)


def _liquidated(before: LimitBook, after: LimitBook, state: PolicyState) -> list[PlannedLiquidation]:
    """Whom the steps of one date liquidate; nobody where no accounts are known."""
    if state.accounts is None or state.marks is None:
        return []
    from leverline.calibrate.new_liquidations import newly_liquidated

    return [PlannedLiquidation(iso(state.now_ns), one.account, one.symbols, one.assets)
            for one in newly_liquidated(before, after, state.accounts, state.marks)]


def _moves(made: PolicyStep, before: list[PlannedStep], now_ns: int) -> list[PlannedStep]:
    """The decisions of one date that change the book."""
    counts = {step.pointer: step.step for step in before}
    taken_over = [d.pointer for d in made.decisions if d.reason == Why.ADOPTED.value and d.pointer not in counts]
    return [PlannedStep(iso(now_ns), d.pointer, counts.get(d.pointer, 0) + 1, d.old, d.new, d.target,
                        _left(d.new, d.target), d.reason)
            for d in made.decisions if d.moved or d.pointer in taken_over]


def _left(new: float | None, target: float | None) -> float | None:
    return None if not new or target is None else round(target / new - 1.0, 9)


def _unreached(made: PolicyStep) -> tuple[Unreached, ...]:
    return tuple(Unreached(d.pointer, d.new, d.target, d.reason) for d in made.decisions
                 if d.reason not in _UNDONE and (d.target is None or d.new != d.target)
                 and d.reason != Why.REACHED.value)


def _risks(now_ns: int, book: LimitBook, target: LimitBook) -> list[AssetRisk]:
    steered = {item.path[0] for item in STEERED}
    rows = []
    for asset, held in book.collateral.items():
        wanted = target.collateral.get(asset)
        if wanted is not None and any(getattr(held, name) != getattr(wanted, name) for name in steered):
            rows.append(AssetRisk(iso(now_ns), asset, _fall(held.liquidation_threshold, held.liquidation_bonus),
                                  _fall(wanted.liquidation_threshold, wanted.liquidation_bonus),
                                  _loop(held.ltv), _loop(wanted.ltv)))
    return rows


def _fall(threshold: float | None, bonus: float | None) -> float | None:
    return None if threshold is None else round(1.0 - threshold * (1.0 + (bonus or 0.0)), 9)


def _loop(ltv: float | None) -> float | None:
    return None if ltv is None or ltv >= 1.0 else round(1.0 / (1.0 - ltv), 6)
