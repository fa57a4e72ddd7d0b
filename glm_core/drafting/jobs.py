"""The writing of drafts in the background: first a sample of three, then the rest; to be cancelled, and continued after a restart."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import filelock

from glm_core.drafting import drafts, writing
from glm_core.drafting.drafts import Answered, Draft, DraftError, Item
from glm_core.jobs import Job, Jobs
from glm_core.permissions import needs
from glm_core.serving.base import Engine
from glm_core.serving.errors import EngineBusy, EngineUnavailable, PromptTooLong, ServingError
from glm_core.serving.generate_many import ask_all
from glm_core.serving.remote import RemoteEngine
from glm_core.serving.request import Request

SAMPLE = 3
TOGETHER = {"local": 8, "server": 4}
ANSWER_TOKENS, MOST_ANSWER_TOKENS = 160, 2_048
ANSWER_SECONDS = 300.0
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class SampleResult:
    """How the first items went: `usable` of `tried` gave pairs that hold to the text."""

    usable: int
    tried: int

    @property
    def good(self) -> bool:
        """Return whether the model can do it: two of three."""
        return 3 * self.usable >= 2 * self.tried > 0


class DraftJob(Job):
    """The writing of one draft, under way or ended.

    Attributes:
        done, total: items that are answered, of those of the stage.
    """

    def __init__(self, draft: Draft, total: int):
        super().__init__()
        self.draft, self.done, self.total = draft, 0, total


class DraftJobs:
    """The writing of this process.

    Args:
        engine: gives the engine of this program, which is made on first use.
        paused: whether the machine is needed for training now; its own models wait until it is not.
    """

    def __init__(self, engine: Callable[[], Engine], paused: Callable[[], bool] = lambda: False):
        self._engine, self._paused = engine, paused
        self._jobs: Jobs[str, DraftJob] = Jobs()

    def job(self, draft: Draft) -> DraftJob | None:
        """The job of `draft`, under way or ended since the server started."""
        return self._jobs.get(draft.id)

    @needs("trainer", owner=lambda _, draft, *__, **___: draft.owner)
    def start(self, draft: Draft, key: str = "") -> DraftJob:
        """Write what the stage of `draft` still lacks; the job already under way if there is one.

        Args:
            key: of the server that writes; kept in memory only.

        Raises:
            DraftError: another dashboard on this workspace writes it, or the folder cannot be written.
        """
        with self._jobs.lock:
            job = self._jobs.get(draft.id)
            if job is None or job.state != "running":
                open_items = missing(draft)
                held = filelock.FileLock(draft.folder / ".lock", thread_local=False)
                try:
                    held.acquire(timeout=0)
                except filelock.Timeout as error:
                    raise DraftError("drafting.elsewhere") from error
                total = min(SAMPLE, draft.items) if draft.stage == "sample" else draft.items
                job = self._jobs.add(draft.id, DraftJob(draft, total))
                job.done = total - len(open_items)
                job.run_in_thread(f"draft-{draft.id}", self._work, job, open_items, key, held)
        return job

    @needs("trainer", owner=lambda _, draft: draft.owner)
    def remove(self, draft: Draft) -> None:
        """Stop the writing of a draft and delete it.

        Raises:
            DraftError: the writing does not end.
        """
        job = self._jobs.get(draft.id)
        if job is not None:
            job.cancel()
            job.wait(10)
            if job.state == "running":
                raise DraftError("drafting.still_running")
        drafts.remove(draft)
        self._jobs.forget(draft.id)

    def _work(self, job: DraftJob, open_items: Sequence[Item], key: str, held: filelock.BaseFileLock) -> None:
        try:
            job.state = job.attempt(lambda: self._write(job, open_items, key), DraftError, "drafting.failed")
        finally:
            held.release()

    def _write(self, job: DraftJob, open_items: Sequence[Item], key: str) -> None:
        server = job.draft.server
        engine: Engine = RemoteEngine(server, key, TOGETHER["server"], guarded=True) if server else self._engine()
        try:
            write(job.draft, engine, open_items, lambda: self._watch(job), lambda: _count(job))
        finally:
            if server:
                engine.close()

    def _watch(self, job: DraftJob) -> None:
        """Stop where the job was cancelled; leave the machine to training."""
        job.check()
        while not job.draft.server and self._paused():
            time.sleep(WAIT_SECONDS)
            job.check()


def _count(job: DraftJob) -> None:
    job.done += 1


def missing(draft: Draft) -> list[Item]:
    """The items that the stage of `draft` still has to ask about."""
    answered = drafts.answers(draft)
    wanted = drafts.items(draft)[: SAMPLE if draft.stage == "sample" else None]
    return [item for item in wanted if item.number not in answered]


def sample_result(draft: Draft) -> SampleResult | None:
    """How the sample went; None until all of it is answered."""
    answered = drafts.answers(draft)
    tried = [answered[number] for number in range(1, min(SAMPLE, draft.items) + 1) if number in answered]
    if len(tried) < min(SAMPLE, draft.items):
        return None
    usable = sum(writing.is_usable(draft.kind, [doubt for _, _, doubt in one.pairs]) for one in tried)
    return SampleResult(usable, len(tried))


def write(
    draft: Draft,
    engine: Engine,
    open_items: Sequence[Item],
    check: Callable[[], None] = lambda: None,
    count: Callable[[], None] = lambda: None,
) -> None:
    """Ask about `open_items` and keep every answer as soon as it is there.

    Args:
        check: called many times a second; what it raises ends the writing.
        count: called after every item.

    Raises:
        ServingError: the model cannot be asked at all.
    """
    model = engine.find(draft.model).name
    requests = [_request(draft, model, item) for item in open_items]
    asked = {writing.normalize(pair.question) for pair in drafts.pairs(draft)}
    together = TOGETHER["local" if engine.local else "server"]
    for place, handle in ask_all(engine, requests, together, check):
        if isinstance(handle.error, EngineUnavailable | EngineBusy):
            raise handle.error
        if handle.finish_reason == "cancelled":  # unloaded for a run: asked again when the writing goes on
            raise EngineUnavailable("drafting.interrupted")
        drafts.note_answer(draft, _answered(draft, open_items[place], handle.text, handle.error, asked))
        count()


def _request(draft: Draft, model: str, item: Item) -> Request:
    asked = writing.prompt(draft.instruction, item, draft.count)
    tokens = min(MOST_ANSWER_TOKENS, ANSWER_TOKENS * (draft.count + 1))
    return Request(
        ({"role": "user", "content": asked},),
        model,
        tokens,
        owner=draft.owner,
        timeout=ANSWER_SECONDS,
        seed=item.number,
    )


def _answered(draft: Draft, item: Item, said: str, error: ServingError | None, asked: set[str]) -> Answered:
    """Pairs and doubts of an answer; `asked` is filled with its questions."""
    if error is not None:
        return Answered(
            item.number, (), "drafting.problem.too_long" if isinstance(error, PromptTooLong) else str(error)
        )
    read = writing.read_pairs(said) if draft.kind == "questions" else writing.read_rewordings(said, item)
    pairs = []
    for question, answer in read:
        pairs.append((question, answer, writing.doubt_of(draft.kind, question, answer, item, asked)))
        asked.add(writing.normalize(question))
    return Answered(item.number, tuple(pairs), "" if pairs else "drafting.problem.no_pairs")
