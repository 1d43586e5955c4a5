"""Ways in which files of any format are malformed, and what a refusal of them has to say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from leverline.ground.errors import MalformedInputError


@dataclass(frozen=True)
class Case:
    name: str
    content: bytes
    row: int | None
    column: str | None
    says: str
    file: str = "input.csv"
    strict: bool = False


def refused(case: Case, folder: Path, read: Callable[[Path, bool], object]) -> None:
    """``read`` refuses the file with its name, row and column, exit code 2, and without the path of the machine."""
    path = folder / case.file
    path.write_bytes(case.content)
    with pytest.raises(MalformedInputError, match=case.says) as caught:
        read(path, case.strict)
    place = caught.value.place
    assert place is not None
    assert (place.file, place.row, place.column) == (case.file, case.row, case.column)
    assert caught.value.exit_code == 2
    assert str(folder) not in str(caught.value)
    assert [p.name for p in folder.iterdir()] == [case.file]


def lines(head: str, *rows: str) -> bytes:
    return "".join(f"{row}\n" for row in (head, *rows)).encode()


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def archive(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in members.items():
            z.writestr(name.replace("__", "."), text)
    return out.getvalue()
