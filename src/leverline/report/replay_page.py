"""The page of a replay: how it ended, who was closed at which stage, the fund, the breakers. No script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from leverline.ground.files import write_text
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import theme
from leverline.report.markup import Column, Content, Markup, table, tag

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy of the page: whatever is not in the file is not loaded."""

_LOGS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("refused_stages", "Why a stage left the rest to the next", ("stage", "reason", "times")),
    ("fund_path", "Insurance fund", ("at", "market", "amount", "balance", "why")),
    ("breaker_log", "Breakers", ("at", "market", "before", "after", "reason")),
)
_AMOUNTS, _COUNTS = ("amount", "balance", "notional", "penalty"), ("times", "closings", "pools")


def write_replay_page(document: Mapping[str, Any], path: Path) -> None:
    """Write the page of a ``leverline.replay/1`` document atomically."""
    write_text(path, replay_page(document))


def replay_page(document: Mapping[str, Any]) -> str:
    """The whole HTML document."""
    title = f"Replay until {document['ended_at']}"
    css = resources.files("leverline.report").joinpath("report.css").read_text(encoding="utf-8")
    head = tag("head", tag("meta", charset="utf-8"),
               tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
               tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"), tag("title", title),
               tag("style", Markup(theme.css_variables() + css)))
    body = tag("body", tag("div", tag("header", tag("h1", title), tag(
        "p", f"Venue {document['venue']}, settled in {document['settlement']}. Limit book ",
        tag("code", document["book_id"])), class_="top"), tag("main", *_sections(document)), class_="frame"))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _sections(document: Mapping[str, Any]) -> Iterable[Markup]:
    yield _section("How it ended", _facts(document), tag("p", "State ", tag("code", document["state_hash"])),
                   tag("ul", *(tag("li", note) for note in document["notes"])) if document["notes"] else None)
    stages = [{"stage": stage, **row} for stage, row in document["liquidations"].items()]
    yield _section("Liquidations by stage", _rows("Liquidations by stage", (
        "stage", "closings", "pools", "notional", "penalty"), stages))
    for key, heading, columns in _LOGS:
        yield _section(heading, _rows(heading, columns, document[key]))


def _facts(document: Mapping[str, Any]) -> Markup:
    stands, debt, winners = document["solvency"], document["bad_debt"], document["deleveraged"]
    facts = (
        ("Verdict", "solvent" if stands["solvent"] else "not solvent",
         f"{stands['open_pools']:,} of {stands['pools']:,} accounts still open"),
        ("Bad debt", _amount(debt["total"]), f"funds paid {_amount(debt['paid_by_funds'])}, shared "
                                            f"{_amount(debt['shared'])}, unpaid {_amount(debt['unpaid'])}"),
        ("Deleveraged", _amount(winners["notional"]), f"of {winners['pools']:,} accounts"),
        ("Margin calls", f"{document['margin_calls']:,}", f"{document['events']:,} events, "
                                                         f"{sum(document['rejected'].values()):,} rejected"),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value, tag("small", small)))
                       for name, value, small in facts), class_="facts")


def _rows(caption: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Markup:
    if not rows:
        return tag("p", "None.")
    shaped = [Column({"pools": "accounts"}.get(name, name),
                     holds="num" if name in (*_AMOUNTS, *_COUNTS) else "prose" if name in ("why", "reason") else "word")
              for name in columns]
    return table(caption, shaped, [[_cell(name, row[name]) for name in columns] for row in rows], headed=True)


def _cell(name: str, value: Any) -> str:
    if name in _AMOUNTS:
        return _amount(value)
    return f"{value:,}" if name in _COUNTS else str(value) or "all"


def _amount(units: str) -> str:
    """Whole settlement currency and cents, of a string of units."""
    return f"{int(units) / UNITS_PER_ONE:,.2f}"


def _section(heading: str, *content: Content) -> Markup:
    return tag("section", tag("h2", heading), *content)
