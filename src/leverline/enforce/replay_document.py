"""What a replay came to, as one JSON document: amounts as strings of integer units, times as ISO 8601 with Z."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leverline.enforce.effects import Stage
from leverline.enforce.tallying import StageTally, solvency
from leverline.ground.display import DisplayTable, number_text
from leverline.market.times import iso
from leverline.model.quantities import UNITS_PER_ONE

if TYPE_CHECKING:
    from leverline.enforce.replaying import Replay

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
                       "balance": str(step.balance), "changes": step.changes, "why": step.why}
                      for step in tally.fund_path],
        "breaker_log": [{"at": iso(ts_ns), "market": step.market, "before": step.before.value,
                         "after": step.after.value, "reason": step.reason} for ts_ns, step in tally.breaker_log],
        "state_hash": state.digest(),
    }


def document_tables(document: dict[str, Any]) -> tuple[DisplayTable, ...]:
    """The verdict, the stages, the funds and the breakers of a document, as plain tables."""
    stands, debt, winners = document["solvency"], document["bad_debt"], document["deleveraged"]
    ended = (
        ("verdict", "solvent" if stands["solvent"] else "not solvent"),
        ("accounts", f"{stands['pools']:,}, {stands['open_pools']:,} open, {stands['underwater_pools']:,} underwater"),
        ("bad debt", f"{_amount(debt['total'])}: funds paid {_amount(debt['paid_by_funds'])}, shared "
                     f"{_amount(debt['shared'])}, unpaid {_amount(debt['unpaid'])}"),
        ("deleveraged", f"{_amount(winners['notional'])} of {winners['pools']:,} accounts"),
        ("events", f"{document['events']:,}, {sum(document['rejected'].values()):,} rejected"),
        ("state", document["state_hash"]))
    stages = [(stage, f"{row['closings']:,}", f"{row['pools']:,}", _amount(row["notional"]), _amount(row["penalty"]))
              for stage, row in document["liquidations"].items()]
    funds = [(row["at"], row["market"] or "shared", _amount(row["amount"]), _amount(row["balance"]), row["why"])
             for row in document["fund_path"]]
    breakers = [(row["at"], row["market"] or "all", row["before"], row["after"], row["reason"])
                for row in document["breaker_log"]]
    more = (
        DisplayTable("Liquidations by stage", ("stage", "closings", "accounts", "notional", "penalty"), stages),
        DisplayTable("Insurance funds", ("at", "market", "amount", "balance", "why"), funds),
        DisplayTable("Breakers", ("at", "market", "before", "after", "reason"), breakers))
    first = DisplayTable(f"Replay until {document['ended_at']}, in {document['settlement']}", ("", "at the end"), ended)
    return (first, *(table for table in more if table.rows))


def _amount(units: str) -> str:
    return number_text(int(units) / UNITS_PER_ONE)


def _row(row: StageTally, *, penalty: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {"closings": row.closings, "pools": len(row.pools), "notional": str(row.notional)}
    return {**shown, "penalty": str(row.penalty)} if penalty else shown
