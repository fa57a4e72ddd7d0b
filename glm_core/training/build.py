"""Which cards the installed PyTorch can use, told without importing it: from its version file, and what the driver says of a card.

A build for CUDA 13 has no code for cards before Turing and asks for a driver of its age; the one that pip takes on Windows has
none for any card. What torch itself says once it is imported is `glm_core.models.card`'s.
"""

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

INDEX = "https://download.pytorch.org/whl/"
NEW, OLD = "cu130", "cu126"  # builds that are published for every version: the usual one, and the one with code for old cards
OLDEST = {13: (7, 5), 12: (5, 0)}  # compute capability that builds for a major version of CUDA begin with (12: those of 12.6)


@cache
def cuda() -> tuple[int, int] | None:
    """The CUDA version that the installed PyTorch is built for; None for a build for processors.

    Raises:
        LookupError: it is not installed, or does not say.
    """
    spec = find_spec("torch")
    try:
        words = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
        said = re.search(r"^cuda\b[^=\n]*= *(?:None|'(\d+)\.(\d+)')", words, re.MULTILINE)
        return (int(said[1]), int(said[2])) if said[1] else None
    except (AttributeError, TypeError, OSError) as error:
        raise LookupError("torch") from error


def obstacle(capability: tuple[int, int], driver: int) -> str:
    """The text key of what keeps PyTorch from a card; empty where nothing does, or nobody knows.

    Args:
        capability: the card's compute capability.
        driver: the major version of CUDA up to which the driver goes.
    """
    try:
        built = cuda()
    except LookupError:
        return ""
    if built is None:
        return "machine.obstacle.processor"
    if capability < OLDEST.get(built[0], (0, 0)):
        return "machine.obstacle.old_card"
    return "machine.obstacle.old_driver" if driver < built[0] else ""


def command(capability: tuple[int, int], driver: int) -> str:
    """What installs a build that can use the card."""
    try:
        number = version("torch").partition("+")[0]
    except PackageNotFoundError:
        number = ""
    kind = OLD if capability < OLDEST[13] or driver < 13 else NEW
    return f"pip install --force-reinstall torch{number and f'=={number}'} --index-url {INDEX}{kind}"
