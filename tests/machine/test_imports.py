"""Imports without a look for garbage; the collector is left as it was."""

import gc

import pytest

from glm_core.machine.imports import importing


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_inside_and_the_collector_is_left_as_it_was(collects):
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ImportError), importing():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
