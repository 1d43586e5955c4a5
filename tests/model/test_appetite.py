"""The appetite: what ships is readable, what is wrong is refused, and a confidence means what its unit says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.model.appetite import PROFILES, Confidence, RiskAppetite

SHIPPED = Path(__file__).parents[2] / "src" / "leverline" / "model" / "profiles"


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_ships_and_is_its_own_file(name: str) -> None:
    """A user starts from a shipped profile; one that does not load leaves them with nothing."""
    assert RiskAppetite.profile(name).name == name
    assert RiskAppetite.read(SHIPPED / f"{name}.toml") == RiskAppetite.profile(name)


def test_an_unknown_profile_names_the_known_ones() -> None:
    """A typo must not end in a default that nobody chose."""
    with pytest.raises(UsageError, match="exchange, perp-dex, ccp"):
        RiskAppetite.profile("exchnage")


@pytest.mark.parametrize(("old", "new", "named"), [
    ("level = 0.99", "level = 99", "confidence.level"), ("level = 0.99", "levle = 0.99", "confidence.level"),
    ('unit = "per_margin_period"', 'unit = "per_week"', "confidence.unit"),
    ("tiers = 5", "tiers = 0", "rounding.tiers"), ("tiers = 5", "tiers = 5\nextra = 1", "rounding.extra"),
    ("participation = 0.1", "participation = nan", "margin_period.participation"),
    ('name = "ccp"', "name = ", "not TOML"), ("[rounding]", "[roundings]", "rounding"),
])
def test_a_wrong_number_is_refused_by_name(old: str, new: str, named: str, tmp_path: Path) -> None:
    """99 read as a probability of 99, or a misspelt key ignored, would calibrate a book nobody asked for."""
    text = (SHIPPED / "ccp.toml").read_text(encoding="utf-8")
    target = tmp_path / "appetite.toml"
    target.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MalformedInputError, match=named) as caught:
        RiskAppetite.read(target)
    assert caught.value.exit_code == 2


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    """A path mistyped must be said, not answered with a stack trace."""
    with pytest.raises(MalformedInputError, match="cannot be read"):
        RiskAppetite.read(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedInputError, match="not TOML"):
        RiskAppetite.read(tmp_path / "binary.toml")


def test_confidence_is_per_its_unit() -> None:
    """99.9 % a day is far stricter over ten minutes: 1 - 0.999^(1/144) is seven in a million."""
    per_day = Confidence(level=0.999, unit="per_day")
    assert per_day.exceedance_per_margin_period(86_400) == pytest.approx(0.001)
    assert per_day.exceedance_per_margin_period(600) == pytest.approx(6.9478e-6, rel=1e-4)
    assert Confidence(level=0.99, unit="per_margin_period").exceedance_per_margin_period(600) == pytest.approx(0.01)
    yearly = Confidence(level=0.5, unit="per_account_year")
    assert yearly.exceedance_per_margin_period(365 * 86_400) == pytest.approx(0.5)


@given(level=st.floats(0.5, 0.9999), unit=st.sampled_from(["per_day", "per_account_year"]), hours=st.floats(0.1, 48))
def test_periods_that_fill_the_unit_keep_its_promise(level: float, unit: str, hours: float) -> None:
    """Surviving every margin period of a day must be as likely as the day's confidence, or the unit is a word only."""
    confidence = Confidence.model_validate({"level": level, "unit": unit})
    horizon = hours * 3600
    periods = 86_400 * (1 if unit == "per_day" else 365) / horizon
    survived = (1 - confidence.exceedance_per_margin_period(horizon)) ** periods
    assert survived == pytest.approx(level, rel=1e-6)
