"""From logits to the next token of every row: repetition penalty, temperature, top-k, top-p, seeds.

One call serves a whole batch, whose rows may have settings of their own. Order and meaning follow transformers' logits
processors. Not here: beams, and anything that looks at text.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from glm_core.generation.decode import argmax_finite, send
from glm_core.generation.repetition import penalize

if TYPE_CHECKING:
    from glm_core.serving.batching.grammar import TokenMask

SEED_LIMIT = 2**63 - 1
RARE = ("min_p", "presence_penalty", "frequency_penalty")
CANDIDATES = 1024
"Likeliest tokens that are sorted where no top-k says how many; where a nucleus is wider, the whole vocabulary is."


@dataclass(frozen=True)
class SamplingParams:
    """Sampling parameters of one answer; `resolve` fills what a request leaves open from the family's official defaults."""

    temperature: float = 0.0
    "0 takes the likeliest token every time; higher is more varied."
    top_p: float = 1.0
    "Only the likeliest tokens that together reach this probability are drawn from."
    top_k: int = 0
    "Only this many likeliest tokens are drawn from; 0 = all."
    min_p: float = 0.0
    "Only tokens at least this many times as likely as the likeliest are drawn from."
    presence_penalty: float = 0.0
    "Taken from the logit of every token that the answer already has."
    frequency_penalty: float = 0.0
    "The same, times how often the answer has it."
    repetition_penalty: float = 1.0
    "Above 1 makes tokens that were already there (prompt included) less likely (Keskar et al. 2019)."
    seed: int = 0
    "The same seed and settings give the same answer."

    def to_dict(self) -> dict:
        """Field name -> value, as provenances and the API show it; without the rarer ones that do nothing."""
        return {name: value for name, value in asdict(self).items() if value or name not in RARE}


def resolve(wanted: dict, defaults: dict) -> SamplingParams:
    """The `SamplingParams` of a request: its own values where it has any, else the family's, else this class's.

    A request without a seed gets a random one, which its provenance then names.
    """
    fields = {}
    for name in ("temperature", "top_p", "top_k", "repetition_penalty", *RARE):
        value = wanted.get(name)
        fields[name] = value if value is not None else defaults.get(name, getattr(SamplingParams, name))
    seed = wanted.get("seed")
    return SamplingParams(**fields, seed=secrets.randbits(31) if seed is None else seed)


class Sampler:
    """Draws the tokens of one row; it remembers what the row has seen and where its random stream is.

    Args:
        seen: ids of the prompt.
        bias: (token id, what is added to its logit).
        mask: follows the grammar that the answer has to match.
    """

    def __init__(
        self,
        sampling: SamplingParams,
        seen: list[int],
        bias: Sequence[tuple[int, float]] = (),
        mask: "TokenMask | None" = None,
    ):
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed % SEED_LIMIT)
        self._seen = dict.fromkeys(seen) if sampling.repetition_penalty != 1.0 else None
        self._counts: Counter[int] | None = (
            Counter() if sampling.presence_penalty or sampling.frequency_penalty else None
        )
        self._bias, self._mask = dict(bias), mask

    @property
    def greedy(self) -> bool:
        """Return whether this row takes the likeliest token."""
        return self.sampling.temperature <= 0

    @property
    def adjusts(self) -> bool:
        """Return whether the row's logits are changed before a token is chosen."""
        return self._seen is not None or self._counts is not None or bool(self._bias) or self._mask is not None

    @property
    def failure(self) -> str:
        """Return why the row's grammar leaves no token at all; empty where it does, or where there is no grammar."""
        return self._mask.failure if self._mask is not None else ""

    @property
    def foreseen(self) -> bool:
        """Return whether the device alone can go on: the choice depends on nothing but the logits."""
        return self.greedy and not self.adjusts

    def note(self, token: int) -> None:
        """Remember that the row now contains `token`."""
        if self._seen is not None:
            self._seen[token] = None
        if self._counts is not None:
            self._counts[token] += 1
        if self._mask is not None:
            self._mask.note(token)

    def adjust(self, logits: torch.Tensor) -> None:
        """Apply penalties, bias and grammar in place to `logits` (V,)."""
        if self._seen is not None:
            penalize(logits, list(self._seen), self.sampling.repetition_penalty)
        if self._counts:
            frequency, presence = self.sampling.frequency_penalty, self.sampling.presence_penalty
            self._add(logits, {token: -presence - frequency * count for token, count in self._counts.items()})
        if self._bias:
            self._add(logits, self._bias)
        if self._mask is not None and not self._takes_allowed(self._mask, logits):
            self._mask.apply(logits)

    def _takes_allowed(self, mask: "TokenMask", logits: torch.Tensor) -> bool:
        """Return whether the token that is taken anyway is allowed, so that masking the others would change nothing.

        Not asked on a GPU, which would have to be waited for, while the mask is found beside its forward.
        """
        return self.greedy and logits.device.type == "cpu" and mask.allows(int(logits.argmax()))

    @staticmethod
    def _add(logits: torch.Tensor, values: Mapping[int, float]) -> None:
        ids = send(torch.tensor(list(values), dtype=torch.long), logits.device)
        logits[ids] += send(torch.tensor(list(values.values()), dtype=logits.dtype), logits.device)

    def uniform(self) -> float:
        """The next number of this row's own random stream, on the CPU so that every device draws alike."""
        return torch.rand((), generator=self._generator, dtype=torch.float64).item()


def choose(logits: torch.Tensor, samplers: list[Sampler]) -> list[int]:
    """The next token of every row, as `pick` finds them."""
    chosen = pick(logits, samplers).tolist()
    for token, sampler in zip(chosen, samplers, strict=True):
        sampler.note(token)
    return chosen


def pick(logits: torch.Tensor, samplers: list[Sampler]) -> torch.Tensor:
    """The next token of every row (B,), on the device; waits for it only where it draws.

    Args:
        logits: (B, V), any float type; not changed.
        samplers: one for each row.

    Returns:
        Token ids; -1 for a row whose logits are not finite, since any choice would be noise.
    """
    if any(sampler.adjusts for sampler in samplers):
        logits = logits.float().clone()
        for row, sampler in zip(logits, samplers, strict=True):
            sampler.adjust(row)
    drawing = [i for i, sampler in enumerate(samplers) if not sampler.greedy]
    best = argmax_finite(logits)
    return _with_draws(logits, best, samplers, drawing) if drawing else best


def _with_draws(logits: torch.Tensor, best: torch.Tensor, samplers: list[Sampler], drawing: list[int]) -> torch.Tensor:
    """`best` (B,) with a drawn token in the rows `drawing`, unless it is -1."""
    rows = logits if len(drawing) == len(samplers) else logits[drawing]  # (R, V)
    own = [samplers[i] for i in drawing]
    settings = torch.tensor(
        [[s.sampling.temperature, s.sampling.top_p, s.sampling.top_k, s.uniform(), s.sampling.min_p] for s in own]
    )
    limit, settings = _candidates(own, logits.shape[-1]), send(settings, logits.device)
    drawn, enough = _draw(rows.float(), settings, limit)
    if limit < logits.shape[-1] and not enough:
        drawn, _ = _draw(rows.float(), settings, logits.shape[-1])
    tokens = drawn
    if len(drawing) < len(samplers):
        tokens = best.clone()
        tokens[drawing] = drawn
    return torch.where(best < 0, best, tokens)


def _candidates(samplers: list[Sampler], vocabulary: int) -> int:
    """Number of most probable tokens to look at: every row's top-k; for a row without, what a nucleus rarely exceeds."""
    widths = [
        sampler.sampling.top_k or (CANDIDATES if sampler.sampling.top_p < 1 else vocabulary) for sampler in samplers
    ]
    return min(max(widths), vocabulary)


def _draw(logits: torch.Tensor, settings: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inverse-transform sampling of each row of `logits` (B, V) among its `limit` likeliest, inside top-k and top-p.

    Args:
        settings: (B, 5): temperature, top-p, top-k (0 = all), where in the mass the row's point lies, from 0 to 1, min-p.

    Returns:
        Token ids (B,), and whether `limit` was enough for every row's nucleus, both on the device.
    """
    temperature, top_p, top_k, point, min_p = settings.split(1, dim=1)  # (B, 1) each
    logits = logits / temperature
    values, ids = (
        logits.topk(limit, dim=-1) if limit < logits.shape[-1] else logits.sort(dim=-1, descending=True)
    )  # (B, L)
    rank = torch.arange(limit, device=logits.device)
    values = values.masked_fill((rank >= top_k) & (top_k > 0), -torch.inf)
    whole = torch.where(top_k > 0, values.logsumexp(-1, keepdim=True), logits.logsumexp(-1, keepdim=True))
    probabilities = (values - whole).exp()  # (B, L), of the whole vocabulary or of the top k
    sums = probabilities.cumsum(dim=-1)
    enough = ((top_k > 0) | (sums[:, -1:] >= top_p)).all()
    probabilities[probabilities < min_p * probabilities[:, :1]] = 0
    probabilities[(sums - probabilities >= top_p) & (rank > 0)] = 0  # the likeliest token always stays
    mass = probabilities.cumsum(dim=-1)
    place = torch.searchsorted(mass, point * mass[:, -1:], right=True).clamp(max=limit - 1)
    # rounding may put the point on the very end of the mass, where only removed tokens are
    last = (probabilities > 0).int().cumsum(dim=-1).argmax(dim=-1, keepdim=True)
    return ids.gather(-1, torch.minimum(place, last)).squeeze(-1), enough
