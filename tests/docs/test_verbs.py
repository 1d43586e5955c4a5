"""The pages of the verbs name the options that the command line has."""

from __future__ import annotations

import re

import click
import pytest
import typer.main

from leverline.cli.main import app
from tests.docs.tables import DOCS, names, page, rows, section


def _commands() -> dict[str, click.Command]:
    """Every verb, a sub-verb as ``data get``."""
    found: dict[str, click.Command] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        if below is None:
            found[name] = command
        else:
            found |= {f"{name} {verb}": one for verb, one in below.items()}
    return found


COMMANDS = _commands()


def _documented(verb: str) -> str:
    """The page of a verb, or the section of a sub-verb."""
    name, _, sub = verb.partition(" ")
    text = page(f"verbs/{name}.md")
    return section(text, sub) if sub else text


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_page_lists_exactly_the_options_of_its_verb(verb: str) -> None:
    """A reader would type an option that does not exist, or never learn of one that does."""
    listed = [cells[0].strip("`") for cells in rows(_documented(verb), "option")]
    assert listed == [p.opts[0] for p in COMMANDS[verb].params if p.param_type_name == "option"]


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_page_lists_exactly_the_arguments_of_its_verb(verb: str) -> None:
    """A reader would not know what to name on the command line."""
    listed = [cells[0].strip("`").removesuffix("...").lower() for cells in rows(_documented(verb), "argument")]
    assert listed == [p.name for p in COMMANDS[verb].params if p.param_type_name == "argument"]


@pytest.mark.parametrize("verb", COMMANDS)
def test_defaults_and_requirements_are_those_of_the_command_line(verb: str) -> None:
    """The page would promise another default than the one that acts."""
    stated = {cells[0].strip("`"): cells[1] for cells in rows(_documented(verb), "option")}
    for parameter in COMMANDS[verb].params:
        if parameter.param_type_name != "option":
            continue
        cell = stated[parameter.opts[0]]
        assert (cell == "required") == parameter.required, parameter.opts
        if isinstance(parameter.default, str) or (verb, parameter.opts[0]) == ("demo", "--out"):
            assert cell == f"`{parameter.default}`", parameter.opts


def test_every_verb_has_a_page_and_every_page_a_verb() -> None:
    """A verb would be missing from the documentation, or a page would describe one that is gone."""
    pages = {path.stem for path in (DOCS / "verbs").glob("*.md")} - {"index"}
    assert pages == {verb.split()[0] for verb in COMMANDS}
    assert {cells[0].split("`")[1] for cells in rows(page("verbs/index.md"), "verb")} == pages


def test_commands_in_the_pages_exist() -> None:
    """A command copied from a page would be refused for its options."""
    for path in sorted(DOCS.rglob("*.md")):
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for line in (line for line in block.splitlines() if line.startswith("leverline ")):
                words = line.split()
                verb = words[1] if words[1] in COMMANDS else " ".join(words[1:3])
                known = {option for p in COMMANDS[verb].params for option in p.opts}
                assert {word for word in words if word.startswith("--")} <= known, f"{path.name}: {line}"


def test_the_page_of_data_lists_every_format_that_is_described() -> None:
    """A reader would not know that a file can be looked at, or be sent to describe one that cannot."""
    from leverline.market.describing import FORMATS

    assert names(section(page("verbs/data.md"), "describe"), "format") == list(FORMATS)


def test_the_page_of_reproduce_has_a_section_for_every_experiment() -> None:
    """A claim of ours could be run, and nobody would be told what it asks and which files it needs."""
    from leverline.evidence.experiments.registry import EXPERIMENTS

    told = re.findall(r"^## (.+)$", page("verbs/reproduce.md"), re.MULTILINE)
    assert sorted(told) == sorted(EXPERIMENTS)


def test_the_page_of_bench_lists_every_row() -> None:
    """Somebody would ask for a measurement that does not exist, or never learn of one that does."""
    from leverline.evidence.bench.run import ROWS

    assert names(page("verbs/bench.md"), "row") == list(ROWS)


def test_the_methods_page_lists_the_loss_models_with_their_settings() -> None:
    """Somebody would choose a model by figures that are not its own."""
    from leverline.measure.loss_models import DEFAULT_MODEL, MODELS

    listed = {cells[0].strip("`"): cells for cells in rows(page("verbs/backtest.md"), "name")}
    assert list(listed) == list(MODELS)
    for name, model in MODELS.items():
        assert [float(n) for n in re.findall(r"0\.\d+", listed[name][1])] == list(model.decays_per_day)
        assert float(listed[name][2]) == model.filtering
        assert listed[name][3] == ("" if model.tail == "normal" else str(model.window_days))
    for verb in ("backtest", "calibrate"):
        assert f"| `--method` | `{DEFAULT_MODEL}` |" in page(f"verbs/{verb}.md")


def test_the_conformance_page_lists_every_family() -> None:
    """A user would not know that a family of theirs is supported, or would count on one that is not."""
    from leverline.evidence.conformance import HANDLERS

    listed = [name.strip(" `") for cells in rows(page("verbs/conform.md"), "venue") for name in cells[1].split(",")]
    assert sorted(listed) == sorted(HANDLERS)
