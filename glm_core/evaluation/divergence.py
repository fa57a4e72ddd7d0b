"""Do the original and the tuned model really differ? Measured on first tokens, with verified causes.

The two panes of a comparison can look alike because tuning changed nothing: too few updates, weights that never moved,
an adapter that is not used. Here that is measured, and each cause is looked up and not guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from glm_core import models, workspace
from glm_core.i18n import t
from glm_core.models import checkpoints
from glm_core.serving.base import Engine
from glm_core.serving.served_models import ServedModel

IDENTICAL = 1e-6
"Total variation below which two distributions are the same but for rounding."
SLIGHT = 0.02
"Below this the likeliest token practically never changes."
FEW_UPDATES = 40
"As the guard of the training page has it: a LoRA starts at zero and needs more to be seen."
LOW_RATE = 1e-5
QUESTIONS = (
    "你好",
    "你是谁？",
    "谁开发了你？",
    "三加五等于几？",
    "法国的首都是哪里？",
    "推荐一部电影吧",
    "写一句广告词",
    "今天心情不好怎么办？",
    "高的反义词是什么？",
    "你能做什么？",
)


@dataclass(frozen=True)
class Divergence:
    """Distance between the first-token distributions of base and tuned model, question by question.

    Attributes:
        distances: (question, total variation from 0 = the same to 1 = disjoint).
        causes: (text key, values) of every verified reason why they might not differ.
    """

    distances: tuple[tuple[str, float], ...]
    causes: tuple[tuple[str, dict], ...]

    @property
    def largest(self) -> float:
        """The largest distance."""
        return max(distance for _question, distance in self.distances)

    @property
    def identical(self) -> list[str]:
        """Questions on which nothing differs at all."""
        return [question for question, distance in self.distances if distance < IDENTICAL]

    @property
    def differs(self) -> bool:
        """Return whether the two can be expected to answer differently anywhere."""
        return self.largest >= SLIGHT

    def sentences(self) -> list[str]:
        """Return what was measured and why, for a warning."""
        if self.largest < IDENTICAL:
            first = t("proof.identical", count=len(self.distances))
        else:
            first = t("proof.slight", largest=100 * self.largest)
        return [first, *(t(key, **values) for key, values in self.causes or (("proof.no_cause", {}),))]


def differ(engine: Engine, choice: ServedModel, questions: Sequence[str] = ()) -> Divergence:
    """Compare the original and `choice` on up to ten questions. Loads the base where it is not loaded.

    Args:
        engine: one whose models are in this process.
        questions: asked besides the ten fixed ones' first few; the run's own questions tell most.

    Raises:
        ServingError, ModelError: the base or the adapter cannot be loaded.
    """
    asked = tuple(dict.fromkeys([*questions[:6], *QUESTIONS]))[:10]

    before, after = (engine.first_token_distributions(model, asked) for model in (choice.original, choice))
    apart = (float(0.5 * abs(one - other).sum()) for one, other in zip(before, after, strict=True))
    distances = tuple(zip(asked, apart, strict=True))
    largest = max(distance for _question, distance in distances)
    return Divergence(distances, tuple(causes(choice)) if largest < SLIGHT else ())


def causes(choice: ServedModel):
    """Every reason in the adapter's own files for having no effect: (text key, values)."""
    weights = _weights(choice)
    if any(not tensor.isfinite().all() for tensor in weights.values()):
        yield "proof.cause.not_finite", {}
    decisive = [tensor for name, tensor in weights.items() if "lora_B" in name] or list(weights.values())
    if decisive and all(not tensor.any() for tensor in decisive):
        yield "proof.cause.zero", {}
    if choice.step is not None and choice.step < FEW_UPDATES:
        yield "proof.cause.few_updates", {"step": choice.step}
    rate = _learning_rate(choice)
    if rate is not None and rate < LOW_RATE:
        yield "proof.cause.low_rate", {"rate": f"{rate:.1g}"}


def _weights(choice: ServedModel) -> dict:
    """The adapter's tensors by name; none where its files cannot be read, which loading it has already said."""
    files = [path for path in choice.adapter.iterdir() if path.suffix in (".safetensors", ".bin")]
    try:
        return dict(checkpoints.read_tensors(files))
    except models.ModelError:
        return {}


def _learning_rate(choice: ServedModel) -> float | None:
    record = workspace.read_json(choice.adapter / "easyaigc.json", {})
    settings = record.get("settings") if isinstance(record, dict) else None
    rate = settings.get("learning_rate") if isinstance(settings, dict) else None
    return rate if isinstance(rate, float) else None
