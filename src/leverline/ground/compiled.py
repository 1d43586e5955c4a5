"""The one door to numba: ``njit`` with a typed signature, a cache directory chosen before numba is imported.

Only kernels import this module. Where no directory is writable the kernels run uncached, with one warning.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from leverline.ground.errors import LeverlineError
from leverline.ground.files import cache_directory

_F = TypeVar("_F", bound=Callable[..., Any])


def _choose_cache() -> bool:
    """Point numba at a writable cache directory; False where there is none."""
    try:
        directory = os.environ.get("NUMBA_CACHE_DIR") or str(cache_directory() / "numba")
        os.environ["NUMBA_CACHE_DIR"] = directory
        os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - before any import of ours that may fail
        with tempfile.TemporaryFile(dir=directory):
            return True
    except (OSError, LeverlineError) as error:
        warnings.warn(f"kernels are compiled anew in every process: {error}", stacklevel=2)
        return False


_CACHE = _choose_cache()

import numba  # noqa: E402 - the cache directory must be known first


def njit(function: _F) -> _F:
    """Compile ``function`` in nopython mode: cached, IEEE-exact (no fastmath), division as NumPy does it."""
    return cast("_F", numba.njit(cache=_CACHE, error_model="numpy", nogil=True)(function))
