"""Bytes that were changed as a fuzzer changes them, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

TOKENS = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"-1", b"0", b"1e400", b"null",
          b"true", b"[]", b"{}", b'"', b"[[[[", b"\\ud800", b"\xed\xa0\x80", b"9" * 30, b"NaN", b"\xef\xbb\xbf",
          b'["j",[]]')
MOST = 6
"""Changes of one example."""


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus with one to ``MOST`` changes, or parts of two of them."""
    content = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, MOST)):
        start = rng.randint(0, len(content))
        end = min(len(content), start + rng.choice((0, 1, 1, 2, 4, 8, 64)))
        match rng.randrange(6):
            case 0 if start < len(content):
                content[start] ^= 1 << rng.randrange(8)
            case 1 if start < len(content):
                content[start] = (content[start] + rng.choice((-1, 1))) % 256
            case 2:
                del content[start:end]
            case 3:
                content[start:start] = content[start:end] * rng.randint(1, 4)
            case 4:
                content[start:end] = rng.choice(TOKENS)
            case _:
                other = rng.choice(corpus)
                place = rng.randint(0, len(other))
                content[start:end] = other[place:place + rng.choice((1, 8, 64, len(other)))]
    return bytes(content)
