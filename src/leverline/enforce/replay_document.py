"""What a replay came to, as one JSON document: amounts as strings of integer units, times as ISO 8601 with Z."""

from __future__ import annotations

from typing import Any

from leverline.enforce.effects import Stage
from leverline.enforce.replaying import Replay
from leverline.enforce.tallying import StageTally, solvency
from leverline.market.times import iso

SCHEMA = "leverline.replay/1"


def replay_document(replay: Replay) -> dict[str, Any]:
    """Counts, solvency, fund, bad debt, breakers and the hash of the final state.

    ``bad_debt`` is what pools could not pay: paid by funds, shared among others, or still unpaid. Lots closed by
    deleveraging cost nobody outside the two pools, and are no part of it.
    """
    state, tally = replay.venue.state, replay.tally
    stands = solvency(state)
    return {
        "schema": SCHEMA,
        "book_id": state.terms.book_id,
        "settlement": state.terms.settlement,
        "events": sum(tally.events.values()),
        "events_by_type": dict(sorted(tally.events.items())),
        "rejected": dict(sorted(tally.rejected.items())),
        "ended_at": iso(state.now_ns),
        "solvency": {
            "solvent": stands.solvent, "conserved": stands.conserved, "pools": stands.pools,
            "open_pools": stands.open_pools, "unpriced_pools": stands.unpriced, "equity": str(stands.equity),
            "unpaid": str(stands.unpaid), "underwater_pools": stands.underwater_pools,
            "underwater": str(stands.underwater)},
        "margin_calls": tally.margin_calls,
        "liquidations": {stage.value: _row(tally.stages[stage]) for stage in Stage if stage in tally.stages},
        "closings_that_harmed": tally.worse_off,
        "refused_stages": [{"stage": stage.value, "reason": reason, "times": times}
                           for (stage, reason), times in sorted(tally.refused.items())],
        "deleveraged": _row(tally.deleveraged, penalty=False),
        "bad_debt": {"total": str(tally.fund_paid + tally.loss_shared + stands.unpaid),
                     "paid_by_funds": str(tally.fund_paid), "shared": str(tally.loss_shared),
                     "sharing_pools": len(tally.sharing_pools), "unpaid": str(stands.unpaid)},
        "fund_path": [{"at": iso(step.ts_ns), "market": step.market, "amount": str(step.amount),
                       "balance": str(step.balance), "why": step.why} for step in tally.fund_path],
        "breaker_log": [{"at": iso(ts_ns), "market": step.market, "before": step.before.value,
                         "after": step.after.value, "reason": step.reason} for ts_ns, step in tally.breaker_log],
        "state_hash": state.digest(),
    }


def _row(row: StageTally, *, penalty: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {"closings": row.closings, "pools": len(row.pools), "notional": str(row.notional)}
    return {**shown, "penalty": str(row.penalty)} if penalty else shown
