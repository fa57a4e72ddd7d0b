"""The house keeps its order: imports run one way, folders stay small, names are used once, pages hold widgets only."""

import ast
import re
from collections import Counter, defaultdict

import pytest

from tests.house import imports
from tests.paths import ROOT

MOST_FILES = 18
MOST_TABLES = 15
LINES_OF_A_PAGE = 50
WIDGETS = {"page_frame.py", "state.py", "ui.py"}
ARCHITECTURES = ROOT / "glm_core" / "models" / "architectures"


def own(folder: str) -> list:
    return [path for path in imports.sources() if path.relative_to(ROOT).parts[0] == folder]


def test_imports_run_one_way_without_a_circle():
    rows = imports.levels()
    level = {package: number for number, row in enumerate(rows) for package in row}
    flow = ["workspace", "models", "adapters", "training", "runs", "serving", "api"]
    assert [level[name] for name in flow] == sorted({level[name] for name in flow}), rows
    assert level["pages"] > level["ui"] > level["state"]


def test_the_picture_is_the_one_that_the_code_gives():
    assert (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8") == imports.draw(), (
        "draw it again: python -m tests.house docs/architecture.svg"
    )


def test_the_document_is_short_and_every_path_in_it_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    roots = [ROOT, ROOT / "glm_core"]
    paths = [one for one in re.findall(r"`([\w*/.]+)`", text) if "/" in one or one.endswith(".py")]
    assert len(paths) > 30 and [one for one in paths if not any(any(root.glob(one)) for root in roots)] == []
    assert len(text.splitlines()) <= 2 * LINES_OF_A_PAGE


def test_no_folder_holds_more_files_than_one_subject_has():
    every = [*imports.sources(), *(ROOT / "tests").rglob("*.py")]
    count = Counter(path.parent for path in every if path.name != "__init__.py")
    assert {str(folder.relative_to(ROOT)): n for folder, n in count.items() if n > MOST_FILES} == {}


def classes() -> dict[str, list]:
    """name -> (file, its bases) of every public class of glm_core."""
    found = defaultdict(list)
    for path in own("glm_core"):
        for node in imports.tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append((str(path.relative_to(ROOT)), {ast.unparse(base) for base in node.bases}))
    return found


def test_no_two_classes_have_one_name_unless_they_implement_one_interface():
    twice = {name: places for name, places in classes().items() if len(places) > 1}
    protocols = {name for name, places in classes().items() if any("Protocol" in bases for _, bases in places)}
    free = {
        name: [file for file, _ in places]
        for name, places in twice.items()
        if not set.intersection(*(bases for _, bases in places)) & protocols
    }
    assert free == {}


@pytest.mark.parametrize("path", own("glm_core"), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_frame_and_the_state_know_streamlit(path):
    names = {
        name.split(".")[0]
        for node in ast.walk(imports.tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert path.name in WIDGETS and path.parent.name == "glm_core" or "streamlit" not in names


def test_only_architectures_know_which_one_a_model_is():
    asked = re.compile(r"\.(native|gated)\b|native\s*==")
    places = [*imports.sources(), *(ROOT / "benchmarks").glob("*.py")]
    found = [
        path for path in places if ARCHITECTURES not in path.parents and asked.search(path.read_text(encoding="utf-8"))
    ]
    assert [str(path.relative_to(ROOT)) for path in found] == []


def test_the_formatter_decides_but_for_a_few_tables():
    trees = ("app.py", "glm_core", "pages", "tests", "benchmarks", "recipe")
    files = [
        path for tree in trees for path in ([ROOT / tree] if tree.endswith(".py") else (ROOT / tree).rglob("*.py"))
    ]
    mark = "# fmt: " + "skip"
    assert sum(path.read_text(encoding="utf-8").count(mark) for path in files) <= MOST_TABLES


def test_docstrings_say_what_a_thing_is_or_does():
    """A technical sentence: the imperative or a noun first, no riddles."""
    riddles = []
    for path in own("glm_core"):
        for node in ast.walk(imports.tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if re.match(r"(What|Whether|Who|Whoever)\b", ast.get_docstring(node) or ""):
                    riddles.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert riddles == []


APART = {"browser", "clients", "house", "security"}
"Folders of tests that look at the whole program."


def test_tests_lie_where_the_code_that_they_test_lies():
    lost = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        mirrored = [ROOT / "glm_core" / folder, ROOT / folder]  # pages and recipe lie at the top
        if not set(folder.parts[:1]) & APART and not any(place.is_dir() for place in mirrored):
            lost.append(str(path.relative_to(ROOT)))
    assert lost == []


def test_every_package_has_tests_of_its_own_or_beside_those_of_the_package_it_belongs_to():
    packages = {path.parent.relative_to(ROOT / "glm_core") for path in own("glm_core")}
    tested = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    beside = {
        one: [ROOT / "tests" / folder / f"test_{one.name}.py" for folder in (one.parent, "house")] for one in packages
    }
    tested |= {one for one, files in beside.items() if any(file.exists() for file in files)}
    assert [
        str(one) for one in packages if one not in tested and (one.parent not in tested or not one.parent.name)
    ] == []
