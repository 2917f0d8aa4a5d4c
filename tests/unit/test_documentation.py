"""Links in the documentation lead somewhere, and every page can be found."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links_in(page: Path) -> list[Path]:
    """The files that a page links to."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    assert [str(target) for target in links_in(page) if not target.exists()] == []


def test_every_page_is_reachable_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [target for target in links_in(page) if target.exists()]
    assert sorted(str(page.relative_to(ROOT)) for page in PAGES if page not in reached) == []


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = re.findall(r"^ +- (?:.+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    pages = sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))
    assert sorted(menu) == pages


def test_the_readme_names_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(extras)


def test_the_readme_names_every_command() -> None:
    from recordfs.cli.command_table import COMMAND_GROUPS

    text = (ROOT / "README.md").read_text().partition("## The command line")[2]
    words = set(re.findall(r"[\w-]+", text))
    assert {word for entries in COMMAND_GROUPS.values() for entry in entries for word in entry.name.split()} <= words


@pytest.mark.parametrize(
    "package",
    [
        "recordfs",
        "recordfs.checkpoint",
        "recordfs.errors",
        "recordfs.events",
        "recordfs.example",
        "recordfs.file_io",
        "recordfs.filesystem",
        "recordfs.filesystems.wrapper",
        "recordfs.gfile",
        "recordfs.interop.fsspec",
        "recordfs.interop.tensorboardx",
        "recordfs.interop.tensorflow",
        "recordfs.interop.torch",
        "recordfs.operations",
        "recordfs.per_process",
        "recordfs.records",
        "recordfs.testing.conformance",
        "recordfs.testing.faulty",
        "recordfs.testing.stateful",
    ],
)
def test_the_reference_has_every_public_name(package: str) -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.md"))
    told = set(re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE))
    # Renamed functions of gfile and file_io stand in a table.
    tabled = set(re.findall(r"`(\w+)`", text))
    module = pytest.importorskip(package)
    missing = []
    for name in module.__all__:
        value = getattr(module, name)
        homes = {package, f"{package}.{name}", str(getattr(value, "__module__", ""))}
        homes |= {f"{home}.{name}" for home in homes} | {f"recordfs.{name}"}
        if not homes & told and name not in tabled and not name.startswith("__"):
            missing.append(name)
    assert missing == []
