"""Conformance: venues' own figures against our rules, family by family.

A family without a handler is *unsupported*: counted in the total, neither passed nor failed. A handler that cannot
answer a case fails it and says why; a file that is not a case file is refused whole before any case runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from leverline.evidence import conformance_derivatives_onchain, conformance_exchanges, conformance_lending
from leverline.evidence.case_comparison import agrees, tolerance_of
from leverline.evidence.case_files import Case, read_case_files
from leverline.ground.errors import LeverlineError

Handler = Callable[[dict[str, Any], dict[str, Any]], object]

HANDLERS: dict[str, Handler] = {
    **conformance_derivatives_onchain.HANDLERS,
    **conformance_exchanges.HANDLERS,
    **conformance_lending.HANDLERS,
}
"""Family to the function that answers it: from a case's inputs and its file's meta to what the case expects."""

_UNANSWERED = (LeverlineError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What our rule said to one case."""

    case: Case
    family: str
    got: object
    passed: bool


@dataclass(frozen=True, slots=True)
class Conformance:
    """Every case of a run: answered by a handler, or of a family that has none."""

    answers: tuple[Answer, ...]
    unanswered: tuple[Case, ...]

    @property
    def failed(self) -> list[Answer]:
        """Answers outside their case's tolerance."""
        return [answer for answer in self.answers if not answer.passed]

    @property
    def unsupported(self) -> list[str]:
        """Families without a handler, each once, in the order met."""
        return list(dict.fromkeys(case.family for case in self.unanswered))

    @property
    def conforms(self) -> bool:
        """Whether every case passed; an unsupported one did not."""
        return not self.failed and not self.unanswered

    def by_family(self) -> dict[str, dict[str, int]]:
        """Cases and passed cases of every family, supported or not."""
        met = [(a.family, a.passed) for a in self.answers] + [(c.family, False) for c in self.unanswered]
        return {family: {"total": sum(f == family for f, _ in met), "passed": sum(p for f, p in met if f == family)}
                for family in dict.fromkeys(f for f, _ in met)}

    def to_dict(self) -> dict[str, object]:
        """The result as one JSON document."""
        return {
            "total": len(self.answers) + len(self.unanswered),
            "passed": len(self.answers) - len(self.failed),
            "failed": [{"id": a.case.id, "expected": a.case.expected, "got": as_json(a.got)} for a in self.failed],
            "unsupported": self.unsupported,
            "by_family": self.by_family(),
        }


def conform(files: Sequence[Path], handlers: Mapping[str, Handler] = HANDLERS) -> Conformance:
    """Answer every case of ``files`` (``{"meta", "cases"}``); refuses malformed files whole."""
    answers, unanswered = [], []
    for case in read_case_files(files):
        family = handling_family(case, handlers)
        if family is None:
            unanswered.append(case)
            continue
        got = _ask(handlers[family], case)
        passed = agrees(case.expected, got, tolerance_of(case.fields, case.file_stem))
        answers.append(Answer(case, family, got, passed))
    return Conformance(tuple(answers), tuple(unanswered))


def handling_family(case: Case, handlers: Mapping[str, Handler]) -> str | None:
    """The family that answers ``case``: its own, else the longest one whose name its id continues with a test name."""
    if case.family in handlers:
        return case.family
    within = [family for family in handlers if case.id.startswith(f"{family}-")]
    return max(within, key=len, default=None)


def as_json(value: object) -> object:
    """An answer as JSON: a whole fraction as an integer, another as its nearest float, unknown things as text."""
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(inner) for inner in value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return value
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _ask(handler: Handler, case: Case) -> object:
    """The handler's answer, or why it has none: an input that is missing or that the rule refuses."""
    try:
        return handler(case.inputs, case.meta)
    except _UNANSWERED as error:
        return {"error": f"{type(error).__name__}: {error}"}
