"""Book files as tests write them, and the form of a refusal that every format is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from leverline.ground.errors import MalformedInputError

START_NS = 1_760_054_400 * 1_000_000_000  # 2025-10-10T00:00:00Z


def at(second: int) -> str:
    return f"2025-10-10T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def csv(head: str, *rows: str) -> bytes:
    return "".join(f"{line}\n" for line in (head, *rows)).encode()


@dataclass(frozen=True)
class Case:
    name: str
    content: bytes
    row: int | None
    column: str | None
    says: str
    file: str = "book.csv"


def assert_refused(case: Case, folder: Path, read: Callable[[Path], object]) -> None:
    path = folder / case.file
    path.write_bytes(case.content)
    with pytest.raises(MalformedInputError) as caught:
        read(path)
    error = caught.value
    assert error.exit_code == 2
    assert case.says in str(error)
    assert error.place is not None
    assert (error.place.file, error.place.row, error.place.column) == (case.file, case.row, case.column)


def shapes(head: str, good: str, needed: dict[str, str]) -> list[Case]:
    """Cases that every format shares; ``needed`` maps a column to a header without it."""
    return [
        Case("empty", b"", None, None, "is empty"),
        Case("header only", csv(head), None, None, "no rows"),
        Case("not Parquet", csv(head, good), None, None, "not Parquet", "book.parquet"),
        Case("torn Parquet", b"PAR1rest", None, None, "not readable Parquet", "book.parquet"),
        Case("gzip", b"\x1f\x8b\x08\x00rest", None, None, "gzip"),
        Case("NUL", csv(head, good.replace("T", "\0")), None, None, "NUL"),
        Case("row too short", csv(head, good, good.rsplit(",", 1)[0]), 2, None, "cells"),
        Case("row too long", csv(head, good, good + ",1"), 2, None, "cells"),
        Case("header twice", csv(head + "," + head.split(",")[0], good + ",x"), None, head.split(",")[0], "twice"),
        *(Case(f"no {name}", csv(other, good), None, name, "missing") for name, other in needed.items()),
    ]
