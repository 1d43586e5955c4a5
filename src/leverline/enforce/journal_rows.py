"""What the rows of a journal say: under what a venue began, and a batch of events with the chain after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from leverline.enforce.batch_codec import decode_batch
from leverline.enforce.events import Event

FORMAT = "leverline.journal/1"


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """Under which limits (a limit book's JSON document) and whose policies (a preset's name) the venue began."""

    limits: str
    venue: str

    def encoded(self) -> str:
        """Canonical JSON."""
        return json.dumps({"format": FORMAT, "limits": self.limits, "venue": self.venue}, sort_keys=True)

    @classmethod
    def decoded(cls, text: str) -> JournalHeader:
        """Raises ``ValueError`` on anything that :meth:`encoded` does not write."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        header = cls(document.get("limits"), document.get("venue"))  # type: ignore[arg-type]
        if header.encoded() != text or not (isinstance(header.limits, str) and isinstance(header.venue, str)):
            raise ValueError("the header is not as it was written")
        return header

    @property
    def book_id(self) -> str | None:
        """The limits' id, as their document says; None where it says none."""
        try:
            return str(json.loads(self.limits)["id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    @property
    def genesis(self) -> bytes:
        """The chain before the first event."""
        return hashlib.sha256(self.encoded().encode()).digest()


@dataclass(frozen=True, slots=True)
class Batch:
    """One row: events ``first`` to ``last``, the time of the last, and the chain after them."""

    first: int
    last: int
    count: int
    ts_ns: int
    payload: bytes
    chain: bytes

    def chained(self, before: bytes) -> bytes:
        """SHA-256 of the chain before, and of everything that the row says."""
        numbers = b"".join(number.to_bytes(8, "big") for number in (self.first, self.last, self.count, self.ts_ns))
        return hashlib.sha256(before + numbers + self.payload).digest()

    def events(self) -> list[Event]:
        """The events, in order."""
        return decode_batch(self.payload)
