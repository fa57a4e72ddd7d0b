"""Score a model on held-out wordings, skill by skill: greedy answers, judged by each skill's own check."""

import random
from dataclasses import dataclass

from glm_core.generation import greedy
from glm_core.models import LoadedModel
from recipe import corpus


@dataclass(frozen=True)
class SkillScore:
    """Score of one skill: right answers among `total`, and some (question, answer, right) examples."""

    skill: str
    right: int
    total: int
    examples: list[tuple[str, str, bool]]


def held_out(skill: str, count: int, seed: int) -> list[corpus.Sample]:
    """`count` different samples of wordings that training never sees."""
    generate, rng, seen = corpus.SKILLS[skill][0], random.Random(f"{seed}-{skill}"), {}
    for _ in range(count * 20):
        sample = generate(rng, True)
        seen.setdefault(str(sample.messages[:-1]), sample)
        if len(seen) == count:
            break
    return list(seen.values())


def score(loaded: LoadedModel, per_skill: int = 200, seed: int = 1) -> list[SkillScore]:
    """Every skill's held-out score, in the order of the registry."""
    scores = []
    for skill in corpus.SKILLS:
        if skill == "dialogues":  # open conversation has no right answer
            continue
        samples = held_out(skill, per_skill, seed)
        texts = greedy.greedy(loaded, [sample.messages[:-1] for sample in samples], batch=100)
        verdicts = [corpus.check(sample, text) for sample, text in zip(samples, texts, strict=True)]
        examples = [(s.messages[-2]["content"], text, ok) for s, text, ok in zip(samples, texts, verdicts, strict=True)]
        scores.append(SkillScore(skill, sum(verdicts), len(samples), examples))
    return scores
