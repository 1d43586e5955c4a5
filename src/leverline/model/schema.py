"""The JSON schema of a limit book document, made from the model: ``python -m leverline.model.schema FILE``.

The schema describes the document as it is written: every key present, unset as null, ledger amounts as strings of
digits, times in UTC with Z. What spans several fields (tiers that join, the id that seals the content) is beyond a
schema; :meth:`LimitBook.read` checks it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from leverline.ground.files import write_text
from leverline.model.limitbook import SCHEMA, LimitBook


class _Written(GenerateJsonSchema):
    """Schemas of documents as written: no key is optional, and a field is called by its key alone."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,  # noqa: ARG002
        total: bool,  # noqa: ARG002
    ) -> bool:
        return True

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])  # what is always present has no default

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def limitbook_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of :class:`LimitBook` as it is written."""
    body = LimitBook.model_json_schema(mode="serialization", by_alias=True, schema_generator=_Written)
    return {"$schema": _Written.schema_dialect, "$id": f"urn:{SCHEMA.replace('/', ':')}"} | body


def schema_text() -> str:
    """The schema file: one newline at its end, keys sorted, so that equal models give equal bytes."""
    return json.dumps(limitbook_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), schema_text())
