"""Every rulebook of this folder by name: each module that ends in a ``RULEBOOK`` is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from leverline.ground.errors import UsageError, require
from leverline.margin import rulebooks
from leverline.margin.rulebooks.description import RulebookDescription


@cache
def all_rulebooks() -> dict[str, RulebookDescription]:
    """Descriptions by name, perpetuals before lending, each alphabetically."""
    modules = [importlib.import_module(f"{rulebooks.__name__}.{module.name}")
               for module in pkgutil.iter_modules(rulebooks.__path__) if module.name != __name__.rpartition(".")[2]]
    found = [module.RULEBOOK for module in modules if hasattr(module, "RULEBOOK")]
    by_name = {book.name: book for book in sorted(found, key=lambda b: (b.scope != "perpetuals", b.name))}
    require(len(by_name) == len(found), "every rulebook has its own name", got=sorted(b.name for b in found))
    return by_name


def rulebook_named(name: str) -> RulebookDescription:
    """The description of one rulebook; refuses a name that none has."""
    books = all_rulebooks()
    if name not in books:
        raise UsageError(f"no rulebook is named {name!r}", remedy=f"choose one of {', '.join(books)}")
    return books[name]
