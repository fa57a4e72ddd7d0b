"""From logits to the next token of every row: repetition penalty, temperature, top-k, top-p, seeds.

One call serves a whole batch, whose rows may have settings of their own. Order and meaning follow transformers' logits
processors. Not here: beams, and anything that looks at text.
"""

import secrets
from dataclasses import asdict, dataclass

import torch

SEED_LIMIT = 2**63 - 1


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn; `resolve` fills what a request leaves open from the family's official defaults."""

    temperature: float = 0.0
    "0 takes the likeliest token every time; higher is more varied."
    top_p: float = 1.0
    "Only the likeliest tokens that together reach this probability are drawn from."
    top_k: int = 0
    "Only this many likeliest tokens are drawn from; 0 = all."
    repetition_penalty: float = 1.0
    "Above 1 makes tokens that were already there (prompt included) less likely (Keskar et al. 2019)."
    seed: int = 0
    "The same seed and settings give the same answer."

    def to_dict(self) -> dict:
        """Field name -> value, as stamps and the API show it."""
        return asdict(self)


def resolve(wanted: dict, defaults: dict) -> Sampling:
    """The `Sampling` of a request: its own values where it has any, else the family's, else this class's.

    A request without a seed gets a random one, which its stamp then names.
    """
    fields = {}
    for name in ("temperature", "top_p", "top_k", "repetition_penalty"):
        value = wanted.get(name)
        fields[name] = value if value is not None else defaults.get(name, getattr(Sampling, name))
    seed = wanted.get("seed")
    return Sampling(**fields, seed=secrets.randbits(31) if seed is None else seed)


class Sampler:
    """Draws the tokens of one row; it remembers what the row has seen and where its random stream is."""

    def __init__(self, sampling: Sampling, seen: list[int]):
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed % SEED_LIMIT)
        self._seen = dict.fromkeys(seen) if sampling.repetition_penalty != 1.0 else None

    @property
    def greedy(self) -> bool:
        """Whether this row takes the likeliest token."""
        return self.sampling.temperature <= 0

    def note(self, token: int) -> None:
        """Remember that the row now contains `token`."""
        if self._seen is not None:
            self._seen[token] = None

    def penalise(self, logits: torch.Tensor) -> None:
        """Apply the repetition penalty in place to `logits` (V,)."""
        if self._seen is None:
            return
        ids = torch.tensor(list(self._seen), dtype=torch.long, device=logits.device)
        scores = logits[ids]
        penalty = self.sampling.repetition_penalty
        logits[ids] = torch.where(scores < 0, scores * penalty, scores / penalty)

    def uniform(self) -> float:
        """The next number of this row's own random stream, on the CPU so that every device draws alike."""
        return torch.rand((), generator=self._generator, dtype=torch.float64).item()


def choose(logits: torch.Tensor, samplers: list[Sampler], into: torch.Tensor | None = None) -> list[int]:
    """The next token of every row.

    Args:
        logits: (B, V), any float type; not changed.
        samplers: one for each row.

    Returns:
        B token ids; -1 for a row whose logits are not finite, since any choice would be noise.
    """
    logits = logits.float()
    finite = torch.isfinite(logits).all(dim=-1).tolist()
    if any(sampler.sampling.repetition_penalty != 1.0 for sampler in samplers):
        logits = logits.clone()
        for row, sampler in zip(logits, samplers, strict=True):
            sampler.penalise(row)
    tokens = logits.argmax(dim=-1).tolist()
    drawing = [i for i, sampler in enumerate(samplers) if finite[i] and not sampler.greedy]
    if drawing:
        rows = logits if len(drawing) == len(samplers) else logits[drawing]
        for i, token in zip(drawing, _draw(rows, [samplers[i] for i in drawing]), strict=True):
            tokens[i] = token
    for i, token in enumerate(tokens):
        tokens[i] = token if finite[i] else -1
        samplers[i].note(token)
    if into is not None:
        into[:, 0] = torch.tensor(tokens).clamp(min=0)
    return tokens


def _draw(logits: torch.Tensor, samplers: list[Sampler]) -> list[int]:
    """Inverse-transform sampling of each row of `logits` (B, V) inside its top-k and top-p nucleus."""
    limit = _widest(samplers, logits.shape[-1])
    values, ids = logits.topk(limit, dim=-1) if limit < logits.shape[-1] else logits.sort(dim=-1, descending=True)
    column = {"dtype": torch.float32, "device": logits.device}
    temperature = torch.tensor([[s.sampling.temperature] for s in samplers], **column)
    top_k = torch.tensor([[s.sampling.top_k or limit] for s in samplers], device=logits.device)
    top_p = torch.tensor([[s.sampling.top_p] for s in samplers], **column)
    rank = torch.arange(limit, device=logits.device)
    values = (values / temperature).masked_fill(rank >= top_k, -torch.inf)
    probabilities = values.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities[(before >= top_p) & (rank > 0)] = 0  # the likeliest token always stays
    mass = probabilities.cumsum(dim=-1)
    point = torch.tensor([[s.uniform()] for s in samplers], **column) * mass[:, -1:]
    place = torch.searchsorted(mass, point, right=True).clamp(max=limit - 1)
    # rounding may put `point` on the very end of the mass, where only removed tokens are
    last = (probabilities > 0).int().cumsum(dim=-1).argmax(dim=-1, keepdim=True)
    return ids.gather(-1, torch.minimum(place, last)).squeeze(-1).tolist()


def _widest(samplers: list[Sampler], vocabulary: int) -> int:
    """How many of the likeliest tokens have to be sorted so that every row has its own top-k."""
    widths = [sampler.sampling.top_k or vocabulary for sampler in samplers]
    return min(max(widths), vocabulary)
