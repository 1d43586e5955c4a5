"""The decoders under atheris, where it is installed (``pip install atheris``): coverage leads to the deep places.

``python -m tests.durability.fuzz lines|batches|packed|states|headers FOLDER [options of libFuzzer]``; what is found new
is kept in FOLDER, which is filled with the corpus first. An input that breaks a decoder goes to ``corpus/``, with its
mend.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["leverline.enforce"]):
    from tests.durability.decoders import TARGETS, kept


def main(target: str, folder: Path, options: list[str]) -> None:
    """Until an input breaks the decoder, or the options end it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in kept(target).items():
        (folder / name.replace(" ", "-")).write_bytes(content)
    atheris.Setup([sys.argv[0], *options, str(folder)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
