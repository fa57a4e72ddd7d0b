"""Probabilities that the loaded model gives to texts, with the adapters that act on it just now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from glm_core.data.examples import Example, pair
from glm_core.data.tokenize import IGNORED, Encoded, collate, encode
from glm_core.serving.base import LogLikelihood
from glm_core.serving.request_handle import TokenLogprob
from glm_core.training.steps.loss import AnswerLoss, find_targets, output_head

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

LONGEST_SOURCE, LONGEST_TARGET = 512, 512
"Tokens of question and answer that are looked at."
LONGEST_DIVERGENCE = 128
"Tokens of an answer on which two models are compared."
ROWS = 32
"Conversations that are computed together."
CHUNK_ROWS = 256
"Rows of logits that exist at one time."


@torch.inference_mode()
def of_next_token(loaded: "LoadedModel", ids: list[int]) -> torch.Tensor:
    """Return the probabilities (V,) of the token after prompt `ids`, without any sampling settings."""
    logits = loaded.model(torch.tensor([ids], device=loaded.model.device), use_cache=False, logits_to_keep=1).logits
    return logits[0, -1].float().softmax(-1)


class AnswerStates(NamedTuple):
    """Of one text the states (N, H) that predict the tokens of its answer, and those tokens (N,)."""

    states: torch.Tensor
    targets: torch.Tensor


@torch.inference_mode()
def answer_states(
    loaded: "LoadedModel", texts: Sequence[tuple[str, str]], longest: int = LONGEST_TARGET
) -> list[AnswerStates]:
    """Compute each (question, answer), the token that ends the answer included; at most `longest` tokens of an answer."""
    examples = [pair(question, answer) for question, answer in texts]
    return _states(loaded, encode(examples, loaded, LONGEST_SOURCE, longest))


@torch.inference_mode()
def of_continuations(
    loaded: "LoadedModel", texts: Sequence[tuple[str, str]], context_length: int
) -> list[LogLikelihood]:
    """Return how likely each continuation of (context, continuation) is as bare text; the start of a long context is cut.

    The two are encoded together, blanks between them with the continuation, as lm-eval does.
    """
    rows = [_continuation(loaded, *text) for text in texts]
    encoded = [
        Encoded(ids[-context_length:], labels[-context_length:], len(ids) > context_length) for ids, labels in rows
    ]
    return [_of_states(loaded, found) for found in _states(loaded, encoded)]


def _continuation(loaded: "LoadedModel", context: str, continuation: str) -> tuple[list[int], list[int]]:
    """The ids of both, and labels of the continuation alone. Without any context the first token is not counted."""
    kept = context.rstrip()
    whole = loaded.tokenizer.encode(context + continuation)
    before = len(loaded.tokenizer.encode(kept)) if kept else 0
    before = max(1, min(before, len(whole)))
    return whole, [IGNORED] * before + whole[before:]


def _states(loaded: "LoadedModel", encoded: Sequence[Encoded]) -> list[AnswerStates]:
    batch = collate(encoded, loaded.tokenizer.pad_token_id)
    batch = {name: tensor.to(loaded.model.device) for name, tensor in batch.items()}
    labels = batch.pop("labels")  # (B, T)
    hidden = AnswerLoss(loaded.model, loaded.family.architecture).hidden_states(**batch)  # (B, T, H)
    found = []
    for row in range(len(encoded)):
        places, targets = find_targets(labels[row : row + 1])
        found.append(AnswerStates(hidden[row, places], targets))
    return found


@torch.inference_mode()
def of_answers(loaded: "LoadedModel", texts: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
    """Return how likely each answer of (question, answer) is, the token that ends it included."""
    return [_of_states(loaded, found) for found in answer_states(loaded, texts)]


@torch.inference_mode()
def answer_log_probabilities(loaded: "LoadedModel", examples: Sequence[Example]) -> list[torch.Tensor]:
    """Log-probabilities (N,) of the learned tokens of each conversation."""
    encoded, found = encode(examples, loaded, LONGEST_SOURCE, LONGEST_TARGET), []
    for start in range(0, len(encoded), ROWS):
        for states, targets in _states(loaded, encoded[start : start + ROWS]):
            found.append(_log_probabilities(loaded, states).gather(1, targets[:, None])[:, 0])
    return found


def _of_states(loaded: "LoadedModel", found: AnswerStates) -> LogLikelihood:
    total, greedy = 0.0, True
    for states, targets in zip(found.states.split(CHUNK_ROWS), found.targets.split(CHUNK_ROWS), strict=True):
        scores = _log_probabilities(loaded, states)  # (C, V)
        total += float(scores.gather(1, targets[:, None]).sum())
        greedy = greedy and bool((scores.argmax(-1) == targets).all())
    return LogLikelihood(total, len(found.targets), greedy)


@torch.inference_mode()
def divergences(
    loaded: "LoadedModel", base: Sequence[AnswerStates], tuned: Sequence[AnswerStates]
) -> list[tuple[float, int]]:
    """Return KL(base || tuned) summed over the tokens of each text, and their number."""
    found = []
    for one, other in zip(base, tuned, strict=True):
        before, after = (_log_probabilities(loaded, side.states) for side in (one, other))  # (N, V)
        found.append((float((before.exp() * (before - after)).sum()), len(one.targets)))
    return found


def _log_probabilities(loaded: "LoadedModel", states: torch.Tensor) -> torch.Tensor:
    return output_head(loaded.model, loaded.family.architecture)(states).float().log_softmax(-1)


def token_logprobs(loaded: "LoadedModel", logits: torch.Tensor, tokens: Sequence[int], many: int) -> list[TokenLogprob]:
    """Return the probabilities of `tokens` under `logits` (N, V), with those of the `many` likeliest at each place."""
    scores = logits.float().log_softmax(-1)
    values = scores.gather(1, torch.tensor(tokens, device=scores.device)[:, None])[:, 0].tolist()
    top = scores.topk(many, dim=-1) if many else None
    found = []
    for row, (token, value) in enumerate(zip(tokens, values, strict=True)):
        best = zip(top.indices[row].tolist(), top.values[row].tolist(), strict=True) if top else ()
        likeliest = tuple((*_spelling(loaded, one), score) for one, score in best)
        found.append(TokenLogprob(token, *_spelling(loaded, token), value, likeliest))
    return found


@torch.inference_mode()
def prompt_logprobs(loaded: "LoadedModel", ids: Sequence[int], many: int) -> list[TokenLogprob]:
    """Return the probability of each token of a prompt behind those before it; None for the first one."""
    inputs = torch.tensor([list(ids)], device=loaded.model.device)
    mask = loaded.family.architecture.prompt_inputs(loaded.model, inputs, None)
    logits = loaded.model(input_ids=inputs, use_cache=False, **mask).logits[0, :-1]  # (S - 1, V)
    first = TokenLogprob(ids[0], *_spelling(loaded, ids[0]), None)
    parts = logits.split(CHUNK_ROWS) if len(ids) > 1 else ()
    places = range(1, len(ids), CHUNK_ROWS)
    rest = (
        token_logprobs(loaded, part, ids[at : at + CHUNK_ROWS], many) for part, at in zip(parts, places, strict=True)
    )
    return [first, *(one for some in rest for one in some)]


def _spelling(loaded: "LoadedModel", token: int) -> tuple[str, bytes]:
    """The text and the bytes of a token; a control token is spelled by its name."""
    tokenizer = loaded.tokenizer
    piece = tokenizer.piece_bytes(token)
    if piece:
        return piece.decode("utf-8", "replace"), piece
    name = next((name for name, number in tokenizer.controls.items() if number == token), f"<{token}>")
    return name, name.encode()
