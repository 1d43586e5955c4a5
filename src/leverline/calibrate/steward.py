"""Risk stewards as policies: the steps that a protocol's own contract lets through, and nothing else.

A steward counts in basis points and whole tokens (here: whole units of the settlement currency), and its contract
checks each update by :func:`~leverline.margin.rulebooks.aave_risk_steward.is_allowed`. It has no dead band and no
emergency. What its table does not name, and what would be disabled by becoming 0, is left to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from leverline.calibrate.collateral_steps import STEERED, Steered, grains, joined, value_at, value_of, with_values
from leverline.calibrate.governed_parameter import Why
from leverline.calibrate.governor import instant
from leverline.ground.errors import require
from leverline.margin.rulebooks.aave_risk_steward import StepLimit, allowed_range, is_allowed, steward_limits
from leverline.market.bars import NS_PER_S
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import LimitBook, pointer
from leverline.model.policy import Decision, ParameterHistory, PolicyState, PolicyStep


@dataclass(frozen=True, slots=True)
class Steward:
    """A :class:`~leverline.model.policy.LimitPolicy` that makes the largest legal step towards the target."""

    limits: Mapping[str, StepLimit]

    @classmethod
    def named(cls, name: str) -> Steward:
        """The steward of the table ``manual``, ``automated`` or ``phase3``."""
        return cls(steward_limits(name))

    def next_book(self, current: LimitBook, target: LimitBook, state: PolicyState) -> PolicyStep:
        """Every legal step at ``state.now_ns``; instruments and limits of the venue stay as they are."""
        require(current.settlement == target.settlement, "books settle in the same asset",
                got=(current.settlement, target.settlement))
        decisions: list[Decision] = []
        histories = dict(state.parameters)
        collateral = dict(current.collateral)
        for asset, held in current.collateral.items():
            wanted = target.collateral.get(asset)
            if wanted is None:
                decisions.append(Decision(pointer("collateral", asset), None, None, None, Why.UNSET.value))
                continue
            alone = [self._step(asset, item, held, wanted, histories, state) for item in STEERED]
            made = self._held_back(held, state.now_ns, alone)
            moved = [(item, d) for item, d in zip(STEERED, made, strict=True) if d is not None]
            for _, decision in moved:
                if decision.moved:
                    histories[decision.pointer] = ParameterHistory(changed_ns=state.now_ns)
            collateral[asset] = with_values(
                held, {item.path: d.new for item, d in moved if d.new is not None and d.moved})
            decisions += [d for _, d in moved]
            decisions += _not_steered(asset, held, wanted)
        decisions += _not_collateral(current, target)
        after = replace(state, parameters=histories)
        if collateral == current.collateral:
            return PolicyStep(current, tuple(decisions), after)
        fields = {name: getattr(current, name) for name in LimitBook.model_fields if name not in ("id", "schema_")}
        book = LimitBook.of(**{**fields, "as_of": instant(state.now_ns), "collateral": collateral,
                               "challenges": current.id})
        return PolicyStep(book, tuple(decisions), after)

    def _step(self, asset: str, item: Steered, held: AssetLimits, wanted: AssetLimits,
              histories: Mapping[str, ParameterHistory], state: PolicyState) -> Decision | None:
        """One number's legal step; None where it stands at its target."""
        at, old, new = pointer("collateral", asset, *item.path), value_at(held, item.path), value_at(wanted, item.path)
        if old == new:
            return None
        limit = self.limits.get(item.steward_name)
        if old is None or new is None or limit is None:
            return Decision(at, old, old, new, (Why.UNSET if limit is not None else Why.PEOPLE).value)
        stands, goal = grains(old, item, towards="nearest"), grains(new, item, towards="tight")
        reachable = goal if limit.zero else max(1, goal)
        low, high = allowed_range(stands, limit)
        proposed = min(max(reachable, low), high)
        if proposed == stands:
            # a share of 0 is 0, so what is disabled stays so
            why = Why.ZERO if reachable != goal or (limit.relative and stands == 0) else Why.GRAIN
            return Decision(at, old, old, new, why.value)
        last = histories.get(at, ParameterHistory(changed_ns=state.adopted_ns)).changed_ns
        due = state.now_ns if last is None else last + limit.min_delay_s * NS_PER_S
        waited = limit.min_delay_s if last is None else (state.now_ns - last) // NS_PER_S
        if not is_allowed(stands, proposed, waited, limit):
            return Decision(at, old, old, new, Why.TOO_SOON.value, due)
        arrived = proposed == reachable
        why = Why.BOUNDED if not arrived else Why.REACHED if reachable == goal else Why.ZERO
        return Decision(at, old, new if arrived and reachable * item.grain == new else value_of(proposed, item), new,
                        why.value, None if arrived else state.now_ns + limit.min_delay_s * NS_PER_S)


    def _held_back(self, held: AssetLimits, now_ns: int, made: list[Decision | None]) -> list[Decision | None]:
        """Steps shortened where they would break a rule together; the rest of them waits one delay."""
        values = {item.path: d.new for item, d in zip(STEERED, made, strict=True)
                  if d is not None and d.new is not None and d.moved}
        allowed = joined(held, values)
        out: list[Decision | None] = []
        for item, decision in zip(STEERED, made, strict=True):
            value = allowed.get(item.path)
            if decision is None or value is None or value == decision.new:
                out.append(decision)
            else:
                due = now_ns + self.limits[item.steward_name].min_delay_s * NS_PER_S
                out.append(replace(decision, new=value, reason=Why.HELD.value, due_ns=due))
        return out


def _not_steered(asset: str, held: AssetLimits, wanted: AssetLimits) -> list[Decision]:
    """Numbers and settings of an asset that no steward sets."""
    steered = {item.path[0] for item in STEERED} | {"harmful_above_ltv"}
    return [Decision(pointer("collateral", asset, name), None, None, None, Why.PEOPLE.value)
            for name in AssetLimits.model_fields
            if name not in steered and getattr(held, name) != getattr(wanted, name)]


def _not_collateral(current: LimitBook, target: LimitBook) -> list[Decision]:
    """Instruments, new assets and limits of the venue that differ."""
    places = [pointer("instruments", symbol) for symbol in dict.fromkeys((*current.instruments, *target.instruments))
              if current.instruments.get(symbol) != target.instruments.get(symbol)]
    places += [pointer("collateral", asset) for asset in target.collateral if asset not in current.collateral]
    places += ["/venue"] if current.venue != target.venue else []
    return [Decision(place, None, None, None, Why.PEOPLE.value) for place in places]
