"""Models from the command line: `python -m glm_core.hub list | download | add | verify`, for machines without a browser."""

import argparse
import os
import sys
from pathlib import Path

from glm_core import i18n
from glm_core.errors import EasyError
from glm_core.hub import download_job, local_models, sources
from glm_core.hub import published as hub_published
from glm_core.i18n import t
from glm_core.models import describe_config


def main(arguments: list[str] | None = None) -> int:
    """Do what `arguments` ask. Returns the exit status: 0, or 1 with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return options.work(options)
    except EasyError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m glm_core.hub", description=t("catalogue.command"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help=t("catalogue.command.list")).set_defaults(work=_list)
    one = commands.add_parser("download", help=t("catalogue.command.download"))
    one.add_argument("model", help=t("catalogue.command.model"))
    one.add_argument(
        "--from", dest="kind", choices=sources.KINDS, default="huggingface", help=t("catalogue.command.from")
    )
    one.add_argument("--endpoint", default="", help=t("catalogue.command.endpoint"))
    one.add_argument("--revision", default="", help=t("catalogue.command.revision"))
    one.set_defaults(work=_download)
    one = commands.add_parser("add", help=t("catalogue.command.add"))
    one.add_argument("path", type=Path)
    one.add_argument("--copy", action="store_true", help=t("catalogue.command.copy"))
    one.set_defaults(work=_add)
    one = commands.add_parser("verify", help=t("catalogue.command.verify"))
    one.add_argument("model")
    one.set_defaults(work=_verify)
    return parser


def _list(_options) -> int:
    for model in hub_published.PUBLISHED:
        family = describe_config(model.described, model.name).family
        print(f"{model.name:24} {i18n.size(model.download_bytes):>8}  {t(model.licence(family))}")
    for other in hub_published.ELSEWHERE:
        print(f"{other.name:24} {i18n.size(other.download_bytes):>8}  {t('catalogue.elsewhere')}")
    return 0


def _download(options) -> int:
    """Download in the foreground; Ctrl-C stops it, the same command goes on. A token is taken from EASYAIGC_HUB_TOKEN."""
    published = hub_published.find(options.model)
    repo = options.model if published is None else getattr(published, options.kind)
    endpoint = options.endpoint or (os.environ.get("HF_ENDPOINT", "") if options.kind == "huggingface" else "")
    source = sources.Source(options.kind, repo, endpoint, options.revision)
    download = download_job.start(source, os.environ.get("EASYAIGC_HUB_TOKEN", ""))
    try:
        while download.state == "running":
            download.wait(1)
            _print_progress(download.progress())
    except KeyboardInterrupt:
        download.stop()
        download.wait()
    print(file=sys.stderr)
    if download.error is not None:
        raise download.error
    print(download.target if download.state == "done" else download.folder)
    return 0 if download.state == "done" else 1


def _print_progress(progress: download_job.Progress) -> None:
    left = "" if progress.seconds_left is None else i18n.duration(progress.seconds_left)
    size = f"{i18n.size(progress.done)} / {i18n.size(progress.total)}"
    line = f"{progress.fraction:6.1%}  {size}  {i18n.size(progress.speed)}/s  {left}  {progress.file}"
    print(f"\r{line:100.100}", end="", file=sys.stderr, flush=True)


def _add(options) -> int:
    print(local_models.add(options.path, copy=options.copy))
    return 0


def _verify(options) -> int:
    folder = local_models.own_folder(options.model)
    digests = local_models.expected_digests(folder)
    if not digests:
        print(t("models.no_digests", name=folder.name))
        return 0
    found = local_models.verify(folder, digests)
    for file in found:
        print(f"{t(f'models.verdict.{file.verdict}'):8} {file.name}")
    return 0 if all(file.verdict == "right" for file in found) else 1


if __name__ == "__main__":
    sys.exit(main())
