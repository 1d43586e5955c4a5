"""Times at the border."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.market.times import EARLIEST_NS, LATEST_NS, NS_PER_S, TimeColumn, epoch_ns, iso, parse_instant, span

WHERE = TimeColumn("bars.csv")
NOON = 1_704_110_400 * NS_PER_S  # 2024-01-01T12:00:00Z, from date -u -d @1704110400

moments = st.datetimes(datetime(2009, 1, 2), datetime(2099, 12, 30))


@pytest.mark.parametrize("text", [
    "2024-01-01T12:00:00Z", "2024-01-01 12:00:00Z", "2024-01-01T12:00Z", "2024-01-01T12:00:00.000Z",
    "2024-01-01T14:00:00+02:00", "2024-01-01T14:00:00+0200", "2024-01-01T07:00-05:00", "2024-01-01 17:30:00.000+05:30",
    "1704110400", "1704110400000", "1704110400000000", "1704110400000000000",
])
def test_every_spelling_of_noon_is_noon(text: str) -> None:
    """A file from another tool would be shifted by hours without a word."""
    ns, warning = epoch_ns(pl.Series([text, text]), WHERE)
    assert ns.to_list() == [NOON, NOON]
    assert warning is None


@pytest.mark.parametrize("text", ["2024-01-01T12:00:00", "2024-01-01 12:00", "2024-01-01 12:00:00.000000"])
def test_a_time_without_a_zone_is_utc_and_says_so(text: str) -> None:
    """Local times would pass for UTC unseen."""
    ns, warning = epoch_ns(pl.Series([text]), WHERE)
    assert ns.to_list() == [NOON]
    assert warning is not None
    assert "UTC" in warning
    with pytest.raises(MalformedInputError, match="no zone"):
        epoch_ns(pl.Series([text]), TimeColumn("bars.csv", strict=True))


@given(st.lists(moments, min_size=1, max_size=5), st.sampled_from(["ms", "us", "ns"]),
       st.sampled_from([None, "UTC", "Asia/Tokyo", "America/New_York"]))
def test_arrow_times_keep_their_instant(when: list[datetime], unit: str, zone: str | None) -> None:
    """A Parquet file with a time zone would be read by its wall clock."""
    whole = [w.replace(microsecond=0, tzinfo=UTC) for w in when]
    stamps = pl.Series(whole, dtype=pl.Datetime("us", "UTC")).cast(pl.Datetime(unit, "UTC"))  # type: ignore[arg-type]
    given_ = stamps.dt.replace_time_zone(None) if zone is None else stamps.dt.convert_time_zone(zone)
    ns, warning = epoch_ns(given_, WHERE)
    assert ns.to_list() == [int(w.timestamp()) * NS_PER_S for w in whole]
    assert (warning is None) == (zone is not None)


def test_a_date_is_its_midnight_in_utc() -> None:
    """Daily files with a date column would be refused or shifted."""
    ns, warning = epoch_ns(pl.Series([date(2024, 1, 1)]), WHERE)
    assert ns.to_list() == [NOON - 12 * 3600 * NS_PER_S]
    assert warning is not None


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_text_with_an_offset_round_trips(when: datetime, offset_min: int) -> None:
    """What leverline writes it would not read back."""
    moment = when.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    ns, _ = epoch_ns(pl.Series([moment.isoformat()]), TimeColumn("x"))
    assert parse_instant(iso(ns[0])) == ns[0] == parse_instant(moment.isoformat())


@given(st.integers(EARLIEST_NS, LATEST_NS - NS_PER_S), st.sampled_from([10**9, 10**6, 10**3, 1]))
def test_the_unit_of_an_epoch_is_told_by_its_size(ns: int, ns_per_unit: int) -> None:
    """Milliseconds would be read as seconds and land in another age."""
    epoch = -(-ns // ns_per_unit)
    assert epoch_ns(pl.Series([epoch]), WHERE)[0].to_list() == [epoch * ns_per_unit]


def test_written_dates_may_be_older_than_crypto_markets() -> None:
    """An equity index from 1999 could not be used as a control; or seconds read as milliseconds would pass for 1970."""
    old = pl.Series(["1999-01-04T00:00:00Z"])
    assert iso(epoch_ns(old, WHERE)[0][0]) == "1999-01-04T00:00:00Z"
    mistaken = pl.Series([1_700_000_000]).cast(pl.Datetime("ms", "UTC"))
    with pytest.raises(MalformedInputError, match="outside"):
        epoch_ns(mistaken, WHERE)
    with pytest.raises(MalformedInputError, match="no epoch"):
        epoch_ns(pl.Series([parse_instant("1999-01-04")]), WHERE)


def test_instants_of_options_may_be_short() -> None:
    """``--as-of 2020-12`` would mean another day than it says."""
    assert iso(parse_instant("2020-12")) == "2020-12-01T00:00:00Z"
    assert iso(parse_instant("2020")) == "2020-01-01T00:00:00Z"
    assert iso(parse_instant("2020-12-08")) == "2020-12-08T00:00:00Z"
    assert iso(parse_instant("2020-12-08T08:00:00+02:00")) == "2020-12-08T06:00:00Z"
    assert iso(parse_instant("2020-12-08T08:00:00.25Z")) == "2020-12-08T08:00:00.25Z"
    for wrong in ("", "now", "2020-13", "2020-02-30", "12/08/2020", "20201208", "2020-12-08T25:00Z", "9999999"):
        with pytest.raises(UsageError):
            parse_instant(wrong)


def test_spans_read_as_people_write_them() -> None:
    """A message about spacings would need a calculator."""
    assert [span(s * NS_PER_S) for s in (86_400, 28_800, 300, 30, 90)] == ["1d", "8h", "5m", "30s", "90s"]
