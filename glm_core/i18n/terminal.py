"""The language of a command: what `--lang` says, else EASYAIGC_LANG, else that of the terminal (LC_ALL, LC_MESSAGES, LANG).

It is found before the arguments are parsed, so that the help speaks it too.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from glm_core import i18n

OPTION = "--lang"
_OWN = "EASYAIGC_LANG"
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
_NO_LANGUAGE = ("C", "POSIX")


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--lang` to a command; without it the language stays what it is."""
    parser.add_argument(OPTION, choices=i18n.LANGUAGES, default=i18n.current(), help=i18n.t("terminal.lang"))


def speak(arguments: Sequence[str] | None = None) -> None:
    """Use the language that `arguments` (usually the command line's) or the environment asks for."""
    i18n.use(_asked(sys.argv[1:] if arguments is None else arguments) or of_environment())


def _asked(arguments: Sequence[str]) -> str:
    """The value of `--lang`; empty where it is not there or names no language."""
    given = [one.partition("=")[2] for one in arguments if one.startswith(f"{OPTION}=")]
    given += [value for option, value in zip(arguments, arguments[1:], strict=False) if option == OPTION]
    return given[-1] if given and given[-1] in i18n.LANGUAGES else ""


def of_environment() -> str:
    """The language of the environment: Chinese or English where it says so, English for other ones, else the usual one."""
    if os.environ.get(_OWN) in i18n.LANGUAGES:
        return os.environ[_OWN]
    locale = next((value for name in _LOCALES if (value := os.environ.get(name))), "")
    language = locale.split(".")[0].split("_")[0]
    if not language or language in _NO_LANGUAGE:
        return i18n.DEFAULT
    return language if language in i18n.LANGUAGES else "en"
