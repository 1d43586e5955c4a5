"""Binance's brackets out of the package, on a file of two brackets; the real one where an index is reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leverline.ground.errors import LeverlineError, MalformedInputError
from leverline.market.sources.bracket_files import read_brackets
from leverline.market.sources.datasets import load_brackets, summary_of, write_dataset
from leverline.market.sources.freqtrade_brackets import BINANCE_BRACKETS, read_packaged

TIERS = [
    {"tier": 1.0, "symbol": "X/USDT:USDT", "currency": "USDT", "minNotional": 0.0, "maxNotional": 5000.0,
     "maintenanceMarginRate": 0.01, "maxLeverage": 50.0, "info": {"bracket": 1, "cum": 0.0}},
    {"tier": 2.0, "symbol": "X/USDT:USDT", "currency": "USDT", "minNotional": 5000.0, "maxNotional": 9000.0,
     "maintenanceMarginRate": 0.005, "maxLeverage": 25.0, "info": {"bracket": 2, "cum": -0.0}},
]


def test_brackets_carry_the_dataset_as_their_source(tmp_path: Path) -> None:
    """A comparison would not say whose terms it stands on, or name a file that no reader has."""
    path = tmp_path / "binance_leverage_tiers.json"
    path.write_text(json.dumps({"X/USDT:USDT": TIERS}), encoding="utf-8")
    brackets = read_packaged(BINANCE_BRACKETS, path)
    source = brackets.files[0]
    assert (source.name, source.licence, source.rows) == (
        "freqtrade 2026.9: freqtrade/exchange/binance_leverage_tiers.json", BINANCE_BRACKETS.licence, 2)
    assert brackets.findings
    assert {f.file for f in brackets.findings} == {source.name}


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A changed layout would be read as terms."""
    path = tmp_path / "binance_leverage_tiers.json"
    for content in ("[]", '{"X": [{}]}', "{", '{"X": [1]}'):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(MalformedInputError, match=r"binance_leverage_tiers\.json"):
            read_packaged(BINANCE_BRACKETS, path)


@pytest.mark.network
def test_the_real_package_still_holds_what_is_pinned(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange's own ladders, which ours are compared with, would be gone from a fresh machine."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path_factory.getbasetemp() / "real-datasets"))
    try:
        brackets = load_brackets("freqtrade")
    except LeverlineError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("no package index is reached")
    assert (len(brackets), len(brackets.symbols)) == (7_276, 907)
    assert not brackets.findings
    assert brackets.of("BTC/USDT:USDT")[0].max_leverage >= 100
    assert (summary_of("freqtrade")["kind"], summary_of("freqtrade")["first"]) == ("brackets", None)
    for file in ("b.json", "b.csv"):
        assert write_dataset("freqtrade", tmp_path / file)["out"] == str(tmp_path / file)
        assert read_brackets(tmp_path / file).rows == brackets.rows
