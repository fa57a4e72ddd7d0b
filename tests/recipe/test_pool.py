"""Pools of wordings: a stable random split, kept wordings that no trained template could produce, every fact trained."""

import random

import pytest

from recipe.corpus import antonyms, capitals, colours, everyday, talk, weekdays
from recipe.corpus.grammar import covers
from recipe.corpus.pool import Pool, bare


def test_an_eighth_of_the_templates_is_kept_whatever_their_order():
    templates = [f"{mark}是什么？" for mark in "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳"]
    pool, other = Pool(*templates), Pool(*reversed(templates))
    assert len(pool.held) == 2 and set(pool.held) == set(other.held)
    assert set(pool.held) | set(pool.trained) == set(templates)


def test_kept_wordings_are_not_covered_by_trained_ones_even_after_an_opener():
    for pool, lists in ((antonyms.SINGLE, {"word": "高兴"}), (colours.ASK, {"thing": "雪"}), (weekdays.TODAY, {})):
        for seed in range(100):
            text = bare(pool.draw(random.Random(seed), True, lists))
            assert not covers([bare(template) for template in pool.trained], text, lists)
    trained, kept = "法国在哪？", "我想知道法国在哪？"
    with pytest.raises(ValueError, match="cover"):
        Pool(trained, kept, held=[kept]).draw(random.Random(0), True)


def test_a_pool_needs_two_different_templates():
    for templates in (("一",), ("一", "一")):
        with pytest.raises(ValueError):
            Pool(*templates)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (antonyms, set(antonyms.OPPOSITE)),
        (capitals, {place[1] for place in capitals.PLACES}),
        (colours, set(colours.COLOUR_OF)),
        (
            everyday,
            {row[0] for relation in everyday.RELATIONS for row in relation.rows} | {a for a, _ in everyday.IDIOMS},
        ),
        (talk, {name for names in talk.NAMES.values() for name in names}),
    ],
    ids=("antonyms", "capitals", "colours", "everyday", "talk"),
)
def test_every_entity_occurs_in_training(module, names):
    rng = random.Random(1)
    said = "\n".join(str(module.generate(rng).messages) for _ in range(12_000))
    assert not {name for name in names if name not in said}
