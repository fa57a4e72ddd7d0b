"""The structure of the program, read off its imports: packages, which import which, and a drawing of both.

`python -m tests.house docs/architecture.svg` draws it again; test_layout.py holds the program to it.
"""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

from tests.paths import ROOT

WIDTH, BOX, ROW, GAP = 960, 34, 84, 14  # pixels


def sources() -> list[Path]:
    """The Python files of the program, without tests and benchmarks."""
    return [ROOT / "app.py", *sorted((ROOT / "glm_core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    """The package of a module as the house counts them: `data`, `training`, `pages`, `app`; a single file is its own."""
    parts = module.split(".")
    return parts[1] if parts[0] == "glm_core" and len(parts) > 1 else parts[0]


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed source of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, modules: frozenset[str]) -> set[str]:
    """The project's own modules that `path` imports anywhere in it, at the top or late."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules) | ({node.module} & modules if names - modules else set())
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & modules
    return found


@cache
def package_imports() -> dict[str, set[str]]:
    """package -> the other packages that it imports."""
    modules = frozenset(map(module_of, sources()))
    graph: dict[str, set[str]] = defaultdict(set)
    for path in sources():
        package = package_of(module_of(path))
        graph[package] |= {package_of(module) for module in imports_of(path, modules)} - {package, "glm_core"}
    return dict(graph)


def levels() -> list[list[str]]:
    """The packages from the lowest, which import no other, upwards; each imports only from levels below its own.

    Raises:
        ValueError: there is a circle; names its packages.
    """
    graph, placed, rows = package_imports(), set(), []
    while len(placed) < len(graph):
        row = sorted(package for package in graph if package not in placed and graph[package] <= placed)
        if not row:
            raise ValueError(f"imports run in a circle: {', '.join(sorted(set(graph) - placed))}")
        rows.append(row)
        placed.update(row)
    return rows


def draw() -> str:
    """The levels as an SVG: a box a package, the lowest level at the bottom, a line for every import."""
    rows = [[name for name in row if name != "__main__"] for row in reversed(levels())]
    height = len(rows) * ROW + GAP
    places, parts = {}, []
    for number, row in enumerate(rows):
        width = min(150, (WIDTH - GAP) / len(row) - GAP)
        start = (WIDTH - len(row) * (width + GAP) + GAP) / 2
        for index, name in enumerate(row):
            places[name] = (start + index * (width + GAP), GAP + number * ROW, width)
    for name, (x, y, width) in places.items():
        for other in sorted(package_imports()[name] & set(places)):
            to_x, to_y, to_width = places[other]
            line = f'x1="{x + width / 2:.0f}" y1="{y + BOX}" x2="{to_x + to_width / 2:.0f}" y2="{to_y:.0f}"'
            parts.append(f'<line {line} stroke="#1F7A63" stroke-opacity="0.22"/>')
    for name, (x, y, width) in places.items():
        box = f'x="{x:.0f}" y="{y}" width="{width:.0f}" height="{BOX}" rx="5"'
        parts.append(f'<rect {box} fill="#FBF9F4" stroke="#1F7A63"/>')
        parts.append(f'<text x="{x + width / 2:.0f}" y="{y + 22}" text-anchor="middle">{name}</text>')
    style = 'font-family="sans-serif" font-size="14" fill="#1F2426"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {style}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="#FFFFFF"/>', *parts, "</svg>"]) + "\n"
