"""Programs killed while they write: an upload, a conversation, a vote, a merge, a migration of the accounts file, a trainer that waits.

    python -m benchmarks.kill_writes --rounds 20 [--kinds upload chat vote merge migration waiting]

Each round starts a program that does one kind of thing again and again and says so after each, kills it (SIGKILL) at a random moment, and
looks at the workspace as the next start does: what was said to be done is there and whole, what was under way is there whole or not at
all, and the sweep of the next start leaves no leftover. A merge is written from a run that the benchmark trains first.
"""

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kill import TRUTH_SECONDS, Server, finish, is_true, state, train_undisturbed, wait_for
from glm_core import models, workspace
from glm_core.auth import accounts, database, migrations
from glm_core.chat import conversations
from glm_core.data import library
from glm_core.evaluation import blind_votes
from glm_core.runs import processes, store

LONGEST_SECONDS = 3.0
"A writer lives at most so long after the first thing done."
HEAD = """
import sys
from pathlib import Path
from glm_core.data.examples import Example
def rows(number):
    return [Example([{"role": "user", "content": f"{number} {row}"}, {"role": "assistant", "content": "x" * 200}]) for row in range(500)]
def done(*words):
    print(*words, flush=True)
done("ready")
"""
UPLOAD = """
from glm_core.data import library
for number in range(10**6):
    made = library.add(f"set {number}", rows(number))
    library.append(made.id, rows(number))
    done(made.id)
"""
CHAT = """
from glm_core.chat.conversations import Conversation
one = Conversation("local", id="talk")
for number in range(10**6):
    one.messages += [{"role": "user", "content": str(number)}, {"role": "assistant", "content": "x" * 2000}]
    one.save()
    done(number)
"""
VOTE = """
from glm_core.evaluation import blind_votes
vote = blind_votes.votes()[0]
for number in range(10**6):
    blind_votes.cast(vote, f"voter-{number % 40}", number % len(vote.pairs), "first")
    done(number)
"""
MERGE = """
from glm_core.runs import store
from glm_core.runs.exchange import export
from glm_core.runs.exchange.exporter import ExportSource
run = store.get(sys.argv[1])
for number in range(10**6):
    folder = Path(sys.argv[2]) / f"merged-{number}"
    export.write(ExportSource(run, Path(run.model)), "merged", folder)
    done(folder)
"""
MIGRATION = """
from glm_core.auth import accounts
accounts.accounts()
done("migrated")
"""


@dataclass(frozen=True)
class Kind:
    """A program that writes, what it finds, and what must hold once it was killed.

    Attributes:
        once: it does one thing and ends, so that the moment counts from its start and not from the first thing done.
        check: gets what the program said it had done, oldest first; raises AssertionError where that, or anything else, is not whole.
    """

    script: str
    check: Callable[[list[str]], None]
    prepare: Callable[[], list[str]] = list
    once: bool = False


def check_upload(said: list[str]) -> None:
    """Every set that was said to be done has its rows; others have half or all of theirs; none is damaged."""
    found = {one.id: one for one in library.datasets()}
    assert not library.damaged(), library.damaged()
    for id in said:
        assert len(library.examples(id)) == 1000
    for id in found:
        assert len(library.examples(id)) in (20, 500, 1000) or found[id].bundled


def check_chat(said: list[str]) -> None:
    """The conversation holds every exchange that was saved, and at most the one under way."""
    if said:
        kept = len(conversations.get("local", "talk").messages) // 2
        assert kept - 1 in (int(said[-1]), int(said[-1]) + 1), (kept, said[-1])


def check_vote(said: list[str]) -> None:
    """Every choice that was cast is counted, and at most the one under way."""
    vote = blind_votes.votes()[0]
    cast = {(f"voter-{int(number) % 40}", int(number) % len(vote.pairs)) for number in said}
    kept = {(f"voter-{one}", place) for one in range(40) for place in blind_votes.ballot(vote, f"voter-{one}")}
    assert cast <= kept and len(kept - cast) <= 1, (len(cast), len(kept))


def check_merge(said: list[str]) -> None:
    """A merged model is whole or not there."""
    folder = workspace.home() / "merged"
    assert {Path(one) for one in said} <= set(folder.glob("merged-*"))
    for one in folder.glob("merged-*"):
        assert models.load(one).tokenizer is not None


def check_migration(_said: list[str]) -> None:
    """The next start finishes what was broken off, and every row is there."""
    assert {one.name for one in accounts.accounts()} == {f"person{number}" for number in range(200)}
    with database.database() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(migrations.MIGRATIONS)
        moved = "SELECT count(*) FROM audit WHERE target='person'||(id-1) AND was='guest' AND became='trainer'"
        assert db.execute(moved).fetchone()[0] == 20_000


def prepare_vote() -> list[str]:
    """Open a vote."""
    pairs = [blind_votes.Pair(f"q{number}", "one", "other") for number in range(10)]
    blind_votes.start("run", "local", (blind_votes.VoteSide("one"), blind_votes.VoteSide("other", 1)), pairs)
    return []


def prepare_migration() -> list[str]:
    """Write a file of accounts as the first release did."""
    with sqlite3.connect(database.path()) as old:
        old.executescript(f"{migrations.MIGRATIONS[0]}; PRAGMA user_version=1;")
        people = [(f"person{number}", "trainer", f"u-{number}", "x", 1.0) for number in range(200)]
        old.executemany("INSERT INTO accounts(name, role, folder, password, created) VALUES(?,?,?,?,?)", people)
        rows = [(1.0, "boss", "audit.account.role", f"person{number}: guest → trainer", "") for number in range(20_000)]
        old.executemany("INSERT INTO audit(time, who, action, target, address) VALUES(?,?,?,?,?)", rows)
    old.close()
    return []


KINDS = {
    "upload": Kind(UPLOAD, check_upload),
    "chat": Kind(CHAT, check_chat),
    "vote": Kind(VOTE, check_vote, prepare_vote),
    "merge": Kind(MERGE, check_merge),
    "migration": Kind(MIGRATION, check_migration, prepare_migration, once=True),
}


def kill_writer(kind: Kind, arguments: list[str], chance: random.Random) -> tuple[float, list[str]]:
    """Start a writer, kill it; returns after how many seconds, and what it said."""
    command = [sys.executable, "-c", HEAD + kind.script, *arguments]
    with subprocess.Popen(command, cwd=workspace.ROOT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        said = [] if kind.once else [process.stdout.readline().strip()]
        moment = chance.uniform(0.0, LONGEST_SECONDS)
        time.sleep(moment)
        process.kill()
        said += process.stdout.read().splitlines()
    return moment, said


def leftovers() -> list[str]:
    """What the sweep of the next start has left."""
    workspace.sweep_leftovers(age=0.0)
    marks = (workspace.BUILDING, workspace.DISCARDED)
    return [str(path) for path in workspace.home().rglob("*") if path.name.startswith(marks)]


def one_round(name: str, chance: random.Random, run: str) -> str:
    """Kill one writer in a workspace of its own; empty where all is well, else what is not."""
    kind, before = KINDS[name], os.environ["EASYAIGC_HOME"]
    with tempfile.TemporaryDirectory() as home:
        merged = Path(home, "merged")
        merged.mkdir()
        os.environ["EASYAIGC_HOME"] = before if name == "merge" else home
        arguments = [run, str(merged)] if name == "merge" else kind.prepare()
        moment, said = kill_writer(kind, arguments, chance)
        os.environ["EASYAIGC_HOME"] = home
        try:
            kind.check(said)
            left = leftovers()
            assert not left, left
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            os.environ["EASYAIGC_HOME"] = before
    print(f"{name}: killed after {moment:.2f} s, {len(said)} done", flush=True)
    return ""


def kill_waiting(server: Server, model: Path, chance: random.Random) -> str:
    """Kill a trainer that waits for its run, before it is told to train or just after; the run must finish all the same."""
    server.prepare()
    time.sleep(chance.uniform(1.5, 8.0))
    waiting, early = server.waiting(), chance.random() < 0.5
    if early:
        kill_all(waiting)
    run = server.begin(model, 2)
    if not early:
        time.sleep(chance.uniform(0.0, 1.0))
        kill_all(waiting)
    true_after = wait_for(lambda: is_true(run), TRUTH_SECONDS)
    ended, how = finish(server, run)
    print(
        f"waiting: {len(waiting)} killed {'before' if early else 'after'} the start, {how}, {state(ended)}", flush=True
    )
    if true_after is None:
        return f"said {state(run)} for {TRUTH_SECONDS:.0f} s"
    return "" if state(ended) == "finished" else f"{state(ended)}: {ended.status().why}"


def kill_all(living: list[psutil.Process]) -> None:
    """SIGKILL those that still live."""
    for one in living:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def main() -> int:
    """Exit code 0 where nothing was lost, half written, or left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, "waiting"], default=[*KINDS, "waiting"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes its processes along
    chance, bad, counts = random.Random(options.seed), [], dict.fromkeys(options.kinds, 0)
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        needed = {"merge", "waiting"} & set(options.kinds)
        server = Server() if needed else None
        try:
            run = train_undisturbed(server, options.model, 2)[0].id if server else ""
            for place in range(options.rounds):
                name = options.kinds[place % len(options.kinds)]
                found = (
                    kill_waiting(server, options.model, chance) if name == "waiting" else one_round(name, chance, run)
                )
                counts[name] += 1
                bad += [f"{name}: {found}"] if found else []
        finally:
            if server:
                server.kill()
                for one in [*store.runs()]:
                    processes.kill_all(one.path)
    print(
        "\n| killed while it | rounds |\n|---|---|",
        *(f"| {name} | {count} |" for name, count in counts.items()),
        sep="\n",
    )
    print(*bad, f"{len(bad)} of {options.rounds} rounds left something wrong", sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
