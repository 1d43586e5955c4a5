"""The compiler wrapper: kernels run wherever Python runs, cached where a place can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leverline.ground.compiled import njit

KERNEL = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    {before}
    import numpy as np
    from leverline.measure._loss_kernels import path_extremes
    close = np.array([100.0, 50.0, 200.0])
    low, high, known = np.empty(3), np.empty(3), np.empty(3, np.int64)
    path_extremes(close, close, close, 1, low, high, known)
    assert low[:2].tolist() == [50.0, 200.0], low
ours = [str(w.message) for w in caught if "compiled anew" in str(w.message)]
print(len(ours), *ours)
"""


def run_kernel(environment: dict[str, str], before: str = "pass") -> str:
    kept = {k: v for k, v in os.environ.items() if k not in {"NUMBA_CACHE_DIR", "LEVERLINE_CACHE", "XDG_CACHE_HOME"}}
    done = subprocess.run([sys.executable, "-c", KERNEL.format(before=before)], env=kept | environment,  # noqa: S603 - our own text
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_nothing_can_be_written_kernels_run_with_one_warning(tmp_path: Path) -> None:
    """A read-only container could not compute a margin at all."""
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    out = run_kernel({"NUMBA_CACHE_DIR": str(file)})
    assert out.startswith("1 kernels are compiled anew")
    assert str(file) in out
    assert file.read_text(encoding="utf-8") == "in the way"


def test_without_a_home_kernels_run_with_one_warning() -> None:
    """A container's nameless user, without HOME, could not compute a margin at all."""
    homeless = "import pathlib; pathlib.Path.home = classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError()))"
    assert run_kernel({}, homeless).startswith("1 kernels are compiled anew")


def test_compiled_kernels_are_kept_where_the_user_said(tmp_path: Path) -> None:
    """Every command would compile for seconds, or write beside the installed package."""
    assert run_kernel({"LEVERLINE_CACHE": str(tmp_path)}).startswith("0")
    assert list((tmp_path / "numba").rglob("*.nbc"))


@njit
def divided(a: float, b: float) -> float:
    """One quotient."""
    return a / b


@njit
def is_itself(a: float) -> bool:
    """False for NaN, unless the compiler was told that there is none."""
    return a == a


def test_kernels_divide_and_compare_as_ieee_says() -> None:
    """A missing mark would raise in one place and count as a safe account in another."""
    assert divided(1.0, 0.0) == np.inf
    assert np.isnan(divided(0.0, 0.0))
    assert not is_itself(np.nan)
    assert divided(1.0, 4.0) == pytest.approx(0.25)
