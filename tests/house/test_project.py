"""The project's own papers are true: requirements name what is imported, the README points to what exists."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.paths import ROOT

SOURCES = [ROOT / "app.py", *(ROOT / "glm_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
PAPERS = [ROOT / "README.md", ROOT / "README.en.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN = {"glm_core", "pages", "app"}
OPTIONAL = {"requirements-gpu.txt": {"bitsandbytes"}}
BROUGHT = {
    "triton",
    "llama_cpp",
    "ray",
}  # by torch itself where there is a GPU; used where somebody has installed it; by the nodes


def required(file: str) -> set[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {
        re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in lines if line and line[0].isalnum()
    }


def imported() -> set[str]:
    """Top-level names of the libraries that the program imports."""
    names = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - OWN - set(sys.stdlib_module_names)


def test_every_library_that_is_imported_is_required():
    owners = packages_distributions()
    known = required("requirements.txt")
    missing = {
        name
        for name in imported() - OPTIONAL["requirements-gpu.txt"] - BROUGHT
        if not known & {owner.lower().replace("_", "-") for owner in owners.get(name, ())}
    }
    assert missing == set()


def test_optional_libraries_are_in_a_file_of_their_own():
    assert required("requirements-gpu.txt") == OPTIONAL["requirements-gpu.txt"]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_papers_point_to_what_exists(paper):
    text = paper.read_text(encoding="utf-8")
    targets = {one or other for one, other in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", text)}
    assert [target for target in targets if not (paper.parent / target).exists()] == []


READMES = {"README.md": "### 多快，占多少显存", "README.en.md": "### How fast, how much GPU memory"}


@pytest.mark.parametrize("name", READMES)
def test_every_document_is_reached_from_the_readme(name):
    readme = (ROOT / name).read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"(docs/{path.name})" not in readme] == []


def numbers(text: str) -> list[str]:
    """Figures of `text` as they are written, thousands without their commas."""
    return [found.replace(",", "") for found in re.findall(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?", text)]


def test_both_readmes_have_the_same_commands_pictures_and_figures():
    texts = [(ROOT / name).read_text(encoding="utf-8").split("\n## ") for name in READMES]
    for found in (
        r"(?m)^(?:pip|python3|streamlit|EASYAIGC_|STREAMLIT_)[^#\n]*[^#\s]",
        r"\]\((assets/[^)]+)\)",
        r"(?m)^\|[^|]*(\|[\d,.| ]+)$",
    ):
        zh, en = (sum((re.findall(found, part) for part in parts), []) for parts in texts)
        assert zh and sorted(zh) == sorted(en)


@pytest.mark.parametrize("name", READMES)
def test_every_figure_of_the_readme_s_tables_was_measured(name):
    """Each is, at its own precision, one of RESULTS.md."""
    section = (ROOT / name).read_text(encoding="utf-8").split(READMES[name])[1].split("\n## ")[0]
    cells = [
        cell for line in section.splitlines() if line.startswith("|") for cell in line.split("|")[2:]
    ]  # but for the row's name
    measured = {float(one) for one in numbers((ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"))}
    given = [number for cell in cells for number in numbers(cell)]
    decimals = [len(number.partition(".")[2]) for number in given]
    assert len(given) > 20
    assert [
        n for n, places in zip(given, decimals, strict=True) if float(n) not in {round(one, places) for one in measured}
    ] == []
