"""docs/security.md promises nothing that no test holds."""

import ast
import re

import pytest

from tests.paths import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PROMISED = TEXT.partition("## What is promised")[2].partition("\n## ")[0]
PROMISES = [one for one in PROMISED.split("\n\n") if one.startswith("**")]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.split("**")[1])
def test_every_promise_names_tests_that_exist(promise):
    named = NAMED.findall(promise)
    assert named
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []


def test_promises_are_found():
    assert len(PROMISES) > 10
