"""Ladders compared: rates read off both alike, names, depth and capitalisation as of the day."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.evidence.experiments import tiers_vs_binance as experiment
from leverline.evidence.experiments.tiers_vs_binance import (
    AS_OF,
    capitalisations,
    compare,
    instant,
    market_name,
    one_period,
    volume_ratio,
)
from leverline.market.bars import Bars
from leverline.market.brackets import ExchangeBracket, ExchangeBrackets
from leverline.model import RiskAppetite
from tests.measure.panels import bars_of, closes, panel_of, unit_t


def brackets_of(symbols: tuple[str, ...], caps: tuple[float, ...] = (5e4, 5e6)) -> ExchangeBrackets:
    rows = []
    for rank, symbol in enumerate(symbols):
        rate = 0.005 * (1 + rank)
        rows.append(ExchangeBracket(symbol, 1, "USDT", 0.0, caps[0], rate, 0.5 / rate, 0.0))
        rows.append(ExchangeBracket(symbol, 2, "USDT", caps[0], caps[1], 2 * rate, 0.25 / rate, rate * caps[0]))
    return ExchangeBrackets(tuple(rows))


def market_bars(symbols: tuple[str, ...], n_days: int = 420) -> Bars:
    """Markets ever wilder and ever thinner, day bars."""
    rank = np.arange(len(symbols))
    close = closes(0.015 * 1.5**rank * unit_t(np.random.default_rng(1), (n_days, rank.size)))
    panel = panel_of(close, low=0.99 * close, high=1.01 * close, symbols=symbols)
    volume = np.broadcast_to(3e8 / 4.0**rank, close.shape) / close
    return bars_of(replace(panel, volume=volume))


SYMBOLS = tuple(f"{name}/USDT:USDT" for name in ("AA", "BB", "CC", "DD", "EE", "FF"))


def test_rates_are_read_off_both_ladders_in_the_same_way() -> None:
    """An average rate held against a marginal one would make every exchange look lax."""
    bars = market_bars(SYMBOLS)
    done = compare(bars, brackets_of(SYMBOLS), bars.newest_close_ns, period_s=3600.0, unit="per_day",
                   volume_ratio=1.0, capitalisation={})
    first = done.ladders[0]
    assert first.their_maintenance[:3] == pytest.approx([0.005, 0.0075, 0.00975])
    assert first.their_initial[:3] == pytest.approx([0.01, 0.02, 0.02])
    assert np.isnan(first.their_maintenance[3])  # beyond the exchange's last bracket
    assert np.all(np.diff(first.maintenance) >= 0)
    assert np.all(first.initial >= first.maintenance)
    assert done.column("volume_per_day")[0] > 3.0 * done.column("volume_per_day")[1]


def test_ladders_of_one_cause_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that finds no agreement where wild and thin markets are asked more by both finds nothing."""
    monkeypatch.setattr(experiment, "DRAWS", 100)
    bars = market_bars(SYMBOLS)
    done = experiment.experiment(bars, brackets_of(SYMBOLS), as_of_ns=bars.newest_close_ns, volume_ratio=1.0,
                                 capitalisation={}, files={}, settings=experiment.SETTINGS[:2])
    json.dumps(done.to_dict(), allow_nan=False)
    tau = [row for row in done.rows if "rank agreement" in row.quantity]
    assert [row.ours for row in tau[:3]] == pytest.approx([1.0, 1.0, 1.0])
    assert done.provenance["depth"] == {"books": 0, "volume proxy": 6}


def test_one_period_is_the_same_for_all_and_short_of_nothing_else() -> None:
    """What differs between markets would be our own choice of horizon."""
    ours, profile = one_period(3600.0, "per_day"), RiskAppetite.profile("exchange")
    assert ours.margin_period.detection_s == 3600.0
    assert ours.costs == profile.costs
    assert ours.initial == profile.initial


def test_thousands_of_a_coin_find_their_market() -> None:
    """The cheapest coins, and the wildest, would be missing from the comparison."""
    assert market_name("kPEPE") == "1000PEPE/USDT:USDT"
    assert market_name("kas") == "kas/USDT:USDT"
    assert market_name("BTC") == "BTC/USDT:USDT"


def test_volume_is_carried_over_by_one_ratio() -> None:
    """Depth of a small venue would be taken for that of a large one."""
    small, large = market_bars(SYMBOLS[:2]), market_bars(SYMBOLS[:1])
    louder = replace(large, volume=20.0 * large.volume)
    assert volume_ratio(small, louder, small.newest_close_ns) == pytest.approx(20.0)


def test_capitalisation_is_the_newest_known_carried_by_the_price(tmp_path: Path) -> None:
    """Tomorrow's capitalisation would rank today's markets, or last year's go unadjusted for a price that halved."""
    bars = market_bars(SYMBOLS[:1])
    rows = bars.rows(SYMBOLS[0])
    then, now = int(bars.ts[rows][-100]), bars.newest_close_ns
    path = tmp_path / "caps.parquet"
    table = pl.DataFrame({"ts": [then, now + 86_400_000_000_000], "symbol": ["AA", "AA"], "market_cap": [1e9, 9e9]})
    table.with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC"))).write_parquet(path)
    close = bars.close[rows]
    assert capitalisations(path, bars, now) == pytest.approx({SYMBOLS[0]: 1e9 * close[-1] / close[-100]})
    assert capitalisations(path, bars, then) == {}


@pytest.mark.shared_data
@pytest.mark.slow
def test_rankings_agree_beyond_chance(shared_data: Path) -> None:
    """Our ladders would order markets in a way that no exchange's risk team would recognise."""
    done = experiment.run(shared_data)
    json.dumps(done.to_dict(), allow_nan=False)
    agreement = [row for row in done.rows if "rank agreement" in row.quantity and AS_OF in row.quantity]
    assert len(agreement) == len(experiment.NOTIONALS)
    assert [row.quantity for row in agreement if not row.holds] == []
    assert done.provenance["as_of"].startswith(AS_OF)
    assert instant(AS_OF) == 1_729_728_000_000_000_000
