"""The documentation site: ``python -m sphinx -W -b html docs SITE``.

The pages are those of ``docs/``, as they are read in a checkout too; made here are the reference of the command line
(from the commands themselves) and the one of Python (from the docstrings).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import click  # noqa: E402
from docutils import nodes  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.util.docutils import SphinxDirective  # noqa: E402

import machochain  # noqa: E402
from machochain._docs import base  # noqa: E402
from machochain.cli import cli  # noqa: E402

project = "machochain"
author = "the machochain authors"
release = version = machochain.__version__
copyright = author  # noqa: A001  # the name Sphinx reads
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_*", "page/**"]
html_theme = "furo"
html_title = "machochain"
html_baseurl = base()
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
add_module_names = False
python_display_short_literal_types = True
pygments_style = "default"


class Commands(SphinxDirective):
    """``{commands}``: every command with its help, as the command line itself prints it."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command."""
        found: list[nodes.Node] = []
        for name, command in _commands(cli, "machochain"):
            section = nodes.section(ids=[name.replace(" ", "-")], names=[name])
            section += nodes.title("", name)
            context = click.Context(command, info_name=name, terminal_width=80, max_content_width=80)
            section += nodes.literal_block("", command.get_help(context), language="text")
            found.append(section)
        return found


class Surface(SphinxDirective):
    """``{surface} functions`` or ``values``: the public names of the package, each as its docstring has it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what autodoc makes of each name."""
        functions = self.arguments[0] == "functions"
        names = [name for name in machochain.__all__ if name[0] != "_" and name[0].islower() == functions]
        kind = ".. autofunction::" if functions else ".. autoclass::"
        lines = [line for name in sorted(names) for line in (f"{kind} machochain.{name}", "")]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            if inner is not None:
                yield from _commands(inner, f"{name} {each}")


def _rule_pages(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Keep a rule's page out of the menus, which would list them all on every page, and lead back to the list."""
    if docname.startswith("rules/MC"):
        source[0] = f"---\norphan: true\n---\n\n[All rules](index.md)\n\n{source[0]}"


def _copy_schemas(app: Sphinx, failure: Exception | None) -> None:
    """Keep the schemas at addresses of their own, beside the pages."""
    if failure is None:
        shutil.copytree(ROOT / "docs" / "schema", Path(app.outdir) / "schema", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Tell Sphinx of what is made here."""
    app.add_directive("commands", Commands)
    app.add_directive("surface", Surface)
    app.connect("source-read", _rule_pages)
    app.connect("build-finished", _copy_schemas)
