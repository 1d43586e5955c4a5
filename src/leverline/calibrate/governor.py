"""The governor: from the book in force towards the calibrated one, by steps, and a reason for each step or its absence.

What moves: every instrument's tiers as one schedule, caps, haircut tiers, and what :data:`STEERED` lists. What binds no
open position (fees, bands, account classes, new markets, limits of the venue) is taken over whole. What the target
leaves out stays: delisting is for people. Every book on the way is a valid book.

Prices move every second and a calibration is a snapshot, so a target older than the appetite allows moves nothing; only
schedules that were announced go on. Where accounts and marks are known, a step that would liquidate anybody at
unchanged prices is not made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from leverline.calibrate.collateral_steps import STEERED, Steered, joined, value_at, with_values
from leverline.calibrate.decay import announced, in_force
from leverline.calibrate.governed_parameter import CLOSE, Pace, Step, Why, next_level, remembered
from leverline.calibrate.haircut_steps import furthest, next_haircuts
from leverline.calibrate.overrides import is_overridden, live_overrides
from leverline.calibrate.tier_steps import capped, common_curves, envelope, mixed, most_and_least, published
from leverline.ground.errors import require
from leverline.market.bars import NS_PER_S
from leverline.model.appetite_line import GovernorAppetite
from leverline.model.collateral import AssetLimits, HaircutTier
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, LimitBook, Override, Tier, pointer
from leverline.model.policy import (
    LOOSENED,
    TIGHTENED,
    Announcement,
    Decision,
    ParameterHistory,
    PolicyState,
    PolicyStep,
)

STEPPED_CAPS = ("position_cap", "open_interest_cap", "profit_collateral_cap", "owner_share_cap",
                "open_interest_growth_cap")  # fmt: skip
"""Limits of an instrument that are tighter when lower and move by steps, each by itself."""


@dataclass(frozen=True, slots=True)
class Governor:
    """A :class:`~leverline.model.policy.LimitPolicy` that moves at the pace of an appetite's ``[governor]``."""

    appetite: GovernorAppetite
    margin_pace: Pace = field(init=False)
    limit_pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin_pace", Pace.of_margin(self.appetite))
        object.__setattr__(self, "limit_pace", Pace.of_limit(self.appetite))

    def next_book(self, current: LimitBook, target: LimitBook, state: PolicyState) -> PolicyStep:
        """The book that holds from ``state.now_ns`` on.

        Refused (exit 2): books of different settlement assets, and a target from the future.
        """
        now = instant(state.now_ns)
        require(current.settlement == target.settlement, "books settle in the same asset",
                got=(current.settlement, target.settlement))
        require(target.as_of <= now, "a target is known before it is acted on", got=target.as_of.isoformat())
        work = _Work(current, target, state, self, live_overrides(current, now),
                     stale=now - target.as_of > timedelta(seconds=self.appetite.max_target_age_s))
        for symbol in current.instruments:
            work.move_instrument(symbol)
        for asset in current.collateral:
            work.move_asset(asset)
        if not work.stale:
            work.take_over_the_rest()
        return work.without_new_liquidations()


@dataclass
class _Work:
    """One call of the governor while it is being worked out."""

    current: LimitBook
    target: LimitBook
    state: PolicyState
    governor: Governor
    live: dict[str, Override]
    stale: bool
    instruments: dict[str, InstrumentLimits] = field(default_factory=dict)
    collateral: dict[str, AssetLimits] = field(default_factory=dict)
    venue: Any = None
    decisions: dict[str, Decision] = field(default_factory=dict)
    histories: dict[str, ParameterHistory] = field(default_factory=dict)
    announcements: dict[str, Announcement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.histories = dict(self.state.parameters)
        self.announcements = dict(self.state.announcements)
        self.venue = self.current.venue

    @property
    def now_ns(self) -> int:
        return self.state.now_ns

    def move_instrument(self, symbol: str) -> None:
        """Tiers along their schedule and one step on, then each cap, then what binds no position."""
        held = self.current.instruments[symbol]
        wanted = self.target.instruments.get(symbol)
        root = pointer("instruments", symbol)
        tiers = self._advanced(symbol, held.tiers)
        values: dict[str, Any] = {}
        if wanted is None:
            self._note(root, None, None, None, Why.STALE if self.stale else Why.UNSET)
        else:
            tiers = self._stepped_tiers(symbol, tiers, wanted)
            for name in STEPPED_CAPS:
                values[name] = self._stepped_cap(f"{root}/{name}", getattr(held, name), getattr(wanted, name))
            if not self.stale:
                values |= {name: getattr(wanted, name) for name in InstrumentLimits.model_fields
                           if name not in (*STEPPED_CAPS, "tiers") and not is_overridden(f"{root}/{name}", self.live)}
        cap = values.get("position_cap", held.position_cap)
        if cap is not None:
            tiers = capped(tiers, cap)
            if symbol in self.announcements:
                line = self.announcements[symbol]
                self.announcements[symbol] = replace(line, tiers=capped(line.tiers, cap))
        self.instruments[symbol] = held.model_copy(update={**values, "tiers": tiers})

    def _advanced(self, symbol: str, held: tuple[Tier, ...]) -> tuple[Tier, ...]:
        """Tiers in force now on the line that was announced, if one was."""
        line = self.announcements.get(symbol)
        if line is None:
            return held
        if is_overridden(pointer("instruments", symbol, "tiers"), self.live) is not None:
            del self.announcements[symbol]  # what a person set is not undone by an earlier announcement
            return held
        tiers = in_force(held, line, self.now_ns)
        if self.now_ns >= line.until_ns:
            del self.announcements[symbol]
        else:
            self.announcements[symbol] = replace(line, since_ns=self.now_ns)
        return tiers

    def _stepped_tiers(self, symbol: str, held: tuple[Tier, ...], wanted: InstrumentLimits) -> tuple[Tier, ...]:
        """One step of the whole schedule: up towards the envelope of both, or down towards the target."""
        at = pointer("instruments", symbol, "tiers")
        line = self.announcements.get(symbol)
        start = held if line is None else line.tiers
        now, goal = common_curves(start, wanted.tiers)
        most, least = most_and_least(goal, now)
        history = self._history(at)
        level = history.levels[-1][1] if history.levels else 1.0
        hindered = self._hindered(at)
        if hindered is not None:
            self._note(at, 1.0, 1.0, float(most if most > 1 else least), hindered)
            return held
        pace = self.governor.margin_pace
        step = next_level(float(most), level, history, pace, self.now_ns)
        ratio = most
        if most <= 1 + Fraction(str(pace.dead_band)) and least < 1:
            step, ratio = next_level(float(least), level, history, pace, self.now_ns), least
            if step.direction == LOOSENED and line is not None:
                step = Step(1.0, Why.RAMP, line.until_ns)
        self.histories[at] = remembered(history, step, level, self.now_ns)
        self._note(at, 1.0, step.factor, float(ratio), step.why, step.due_ns)
        if step.factor == 1.0:
            same = most - 1 <= CLOSE and 1 - least <= CLOSE
            return wanted.tiers if same and line is None else held  # the same, as the target writes it
        share = Fraction(step.factor - 1.0) / (ratio - 1)
        if share > 1 - CLOSE:
            share = Fraction(1)
        reach = envelope(now, goal) if step.direction == TIGHTENED else goal
        arrived = share == 1 and reach == goal
        between = mixed(now, reach, share)
        moved = wanted.tiers if arrived else published(between, between, start[-1].notional_cap)
        if step.direction == LOOSENED:
            return moved
        self.announcements[symbol] = announced(moved, self.now_ns, self.governor.appetite.decay_s)
        if self.governor.appetite.decay_s == 0:
            del self.announcements[symbol]
            return moved
        return in_force(held, self.announcements[symbol], self.now_ns)

    def _stepped_cap(self, at: str, old: float | None, new: float | None) -> float | None:
        """A limit that is tighter when lower. A first cap binds only new risk and is taken over; no cap is people's."""
        if old == new:
            return old
        hindered = self._hindered(at)
        if hindered is None and (old is None or new is None):
            hindered = Why.ADOPTED if old is None else Why.UNSET
        if hindered is None and (old == 0 or new == 0):
            hindered = Why.ZERO
        if hindered is not None or old is None or new is None:
            kept = new if hindered is Why.ADOPTED else old
            self._note(at, old, kept, new, hindered or Why.UNSET)
            return kept
        return self._stepped(at, old, new, tighter=-1)

    def _stepped(self, at: str, old: float, new: float, *, tighter: int) -> float:
        """One bounded step of one number; ledger amounts stay whole."""
        history = self._history(at)
        level = old if tighter > 0 else 1.0 / old
        step = next_level(new / old if tighter > 0 else old / new, level, history, self.governor.limit_pace,
                          self.now_ns)
        self.histories[at] = remembered(history, step, level, self.now_ns)
        value = new if step.why is Why.REACHED else old * step.factor if tighter > 0 else old / step.factor
        if isinstance(old, int):
            value = int(value)
        elif value not in (old, new):
            value = round(value, 9)
        self._note(at, old, value, new, step.why, step.due_ns)
        return value

    def move_asset(self, asset: str) -> None:
        """Each steered number by its own step, held back together; the rest taken over."""
        held, wanted = self.current.collateral[asset], self.target.collateral.get(asset)
        if wanted is None:
            self._note(pointer("collateral", asset), None, None, None, Why.STALE if self.stale else Why.UNSET)
            self.collateral[asset] = held
            return
        proposed = {item.path: self._stepped_number(asset, item, held, wanted) for item in STEERED}
        known = {path: value for path, value in proposed.items() if value is not None}
        allowed = joined(held, known)
        for path, value in allowed.items():
            if value != known[path]:
                at = pointer("collateral", asset, *path)
                due = self.now_ns + round(self.governor.appetite.min_delay_s * NS_PER_S)
                self.decisions[at] = replace(self.decisions[at], new=value, reason=Why.HELD.value, due_ns=due)
                if value == value_at(held, path):
                    self.histories[at] = self._past(at)
        base = held if self.stale else self._with_set_parts(asset, held, wanted)
        base = base.model_copy(update={"haircut_tiers": self._stepped_haircuts(asset, held, wanted)})
        self.collateral[asset] = with_values(base, {path: value for path, value in allowed.items()
                                                    if value_at(base, path) is not None})

    def _stepped_number(self, asset: str, item: Steered, held: AssetLimits, wanted: AssetLimits) -> float | None:
        at, old, new = pointer("collateral", asset, *item.path), value_at(held, item.path), value_at(wanted, item.path)
        if old == new:
            return old
        hindered = self._hindered(at)
        if hindered is None and (old is None or new is None):
            hindered = Why.UNSET
        if hindered is None and not item.least and (old == 0 or new == 0):
            hindered = Why.ZERO
        if hindered is not None or old is None or new is None:
            self._note(at, old, old, new, hindered or Why.UNSET)
            return old
        if item.least and max(old, new) <= item.least:
            self._note(at, old, new, new, Why.REACHED)
            return new
        value = self._stepped(at, max(old, item.least), max(new, item.least), tighter=item.tighter)
        value = new if value == max(new, item.least) else value
        self.decisions[at] = replace(self.decisions[at], old=old, target=new, new=value)
        return value

    def _stepped_haircuts(self, asset: str, held: AssetLimits, wanted: AssetLimits) -> tuple[HaircutTier, ...] | None:
        """One step at every size; the decision's values are the largest change of the haircut at any of them."""
        at = pointer("collateral", asset, "haircut_tiers")
        old, new = held.haircut_tiers, wanted.haircut_tiers
        if old == new:
            return old
        rise, fall = furthest(old, new)
        target = rise if rise > 0.0 else fall
        hindered = self._hindered(at)
        if hindered is not None:
            self._note(at, 0.0, 0.0, target, hindered)
            return old
        step = next_haircuts(old, new, self._history(at), self.governor.appetite, self.now_ns)
        if step.change:
            self.histories[at] = step.history
        self._note(at, 0.0, step.change, target, step.why, step.due_ns)
        return step.tiers

    def _with_set_parts(self, asset: str, held: AssetLimits, wanted: AssetLimits) -> AssetLimits:
        """``held`` with what is set rather than steered taken from ``wanted``."""
        steered = {item.path[0] for item in STEERED}
        taken = {name: getattr(wanted, name) for name in AssetLimits.model_fields
                 if name not in steered and name not in ("harmful_above_ltv", "haircut_tiers")
                 and not is_overridden(pointer("collateral", asset, name), self.live)}
        return held.model_copy(update=taken)

    def take_over_the_rest(self) -> None:
        """Markets and assets that are new, and limits of the venue as a whole."""
        for symbol in self.target.instruments:
            if symbol not in self.instruments:
                self.instruments[symbol] = self.target.instruments[symbol]
                self._note(pointer("instruments", symbol), None, None, None, Why.ADOPTED)
        for asset in self.target.collateral:
            if asset not in self.collateral:
                self.collateral[asset] = self.target.collateral[asset]
                self._note(pointer("collateral", asset), None, None, None, Why.ADOPTED)
        if not any(place.startswith("/venue") for place in self.live):
            self.venue = self.target.venue

    def without_new_liquidations(self) -> PolicyStep:
        """The book, without the steps that would liquidate somebody at unchanged prices."""
        if self.state.accounts is None or self.state.marks is None:
            return self._sealed()
        from leverline.calibrate.new_liquidations import newly_liquidated

        for _ in range(len(self.instruments) + len(self.collateral) + 1):
            step = self._sealed()
            hit = newly_liquidated(self.current, step.book, self.state.accounts, self.state.marks)
            undone = [self._undo(kind, name, len(hit)) for liquidated in hit for kind, name in (
                *(("instruments", s) for s in liquidated.symbols), *(("collateral", a) for a in liquidated.assets))]
            if not any(undone):
                return step
        return step

    def _undo(self, kind: str, name: str, accounts: int) -> bool:
        """Put one market or asset back to where it stands; False where it has not moved."""
        book: dict[str, Any] = self.instruments if kind == "instruments" else self.collateral
        before: Mapping[str, Any] = getattr(self.current, kind)
        if name not in before or book[name] == before[name]:
            return False
        book[name] = before[name]
        root = pointer(kind, name)
        self.announcements.pop(name, None)
        if name in self.state.announcements:
            self.announcements[name] = self.state.announcements[name]
        for at, decision in list(self.decisions.items()):
            if at == root or at.startswith(f"{root}/"):
                why = f"{Why.LIQUIDATES.value} ({accounts})"
                self.decisions[at] = replace(decision, new=decision.old, reason=why)
                self.histories[at] = self._past(at)
        return True

    def _sealed(self) -> PolicyStep:
        """Everything as a book under its own id; ``current`` itself where nothing moved."""
        overrides = tuple(self.live.values())
        same = (self.instruments == self.current.instruments and self.collateral == self.current.collateral
                and self.venue == self.current.venue and overrides == self.current.overrides)
        state = replace(self.state, parameters=self.histories, announcements=self.announcements)
        decisions = tuple(self.decisions.values())
        if same:
            return PolicyStep(self.current, decisions, state)
        book = LimitBook.of(
            as_of=instant(self.now_ns), settlement=self.current.settlement, instruments=dict(self.instruments),
            collateral=dict(self.collateral), venue=self.venue, overrides=overrides, challenges=self.current.id,
            explanations=dict(self._explanations()), provenance=self.target.provenance)
        # fields were copied, not validated, on the way: what no book may say is found here and not by an account
        return PolicyStep(LimitBook.model_validate(book.model_dump(by_alias=True)), decisions, state)

    def _explanations(self) -> Iterable[tuple[str, Explanation]]:
        """The target's where a number is the target's; the governor's own reason where it is on its way."""
        on_their_way = {at: decision for at, decision in self.decisions.items() if decision.reason != Why.AT_TARGET}
        for at, explanation in self.target.explanations.items():
            if not any(at == place or at.startswith(f"{place}/") for place in on_their_way):
                yield at, explanation
        for at, decision in on_their_way.items():
            basis = next((e.basis for place, e in self.target.explanations.items()
                          if place == at or place.startswith(f"{at}/")), Basis.ASSUMED)
            for place in self._numbers(at):
                yield place, Explanation(binding=f"governor: {decision.reason}", basis=basis)

    def _numbers(self, at: str) -> list[str]:
        """The numbers that one decision is about: all of an instrument's tiers, or the one at ``at``."""
        symbol = next((name for name in self.instruments if pointer("instruments", name, "tiers") == at), None)
        if symbol is None:
            asset = next((name for name in self.collateral if pointer("collateral", name, "haircut_tiers") == at), None)
            tiers = None if asset is None else self.collateral[asset].haircut_tiers
            return [at] if tiers is None else [f"{at}/{k}/haircut" for k in range(len(tiers))]
        return [f"{at}/{k}/{name}" for k in range(len(self.instruments[symbol].tiers)) for name in Tier.model_fields]

    def _history(self, at: str) -> ParameterHistory:
        """What is remembered of a number; one never seen has stood since the book was adopted."""
        return self.histories.get(at, ParameterHistory(changed_ns=self.state.adopted_ns))

    def _past(self, at: str) -> ParameterHistory:
        """The same, before anything this call did."""
        return self.state.parameters.get(at, ParameterHistory(changed_ns=self.state.adopted_ns))

    def _hindered(self, at: str) -> Why | None:
        """What keeps a number where it stands before any arithmetic."""
        if is_overridden(at, self.live) is not None:
            return Why.OVERRIDDEN
        return Why.STALE if self.stale else None

    def _note(self, at: str, old: float | None, new: float | None, target: float | None, why: Why,
              due_ns: int | None = None) -> None:
        self.decisions[at] = Decision(at, old, new, target, why.value, due_ns)


def instant(ns: int) -> datetime:
    """The same time, to the microsecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns // 1_000)


def nanoseconds(time: datetime) -> int:
    """The same time in ns since 1970."""
    return (time - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * (NS_PER_S // 1_000_000)
