"""Chats about films, music, food and travel: facts, recommendations, likes and dislikes, and follow-ups that say "it".

The facts and their wordings are in ``talk_facts``. Held out are wordings; the facts themselves must be known.
"""

import random
import re

from recipe.corpus.grammar import Sample, dialogue, plain
from recipe.corpus.pool import Pool
from recipe.corpus.talk_facts import CHAT, TOPICS, Group, Topic, wordings
from recipe.corpus.wording import ask, named, names_one, names_only

SKILL = "talk"
MORE = Pool(
    "{还有|还有别的|还有其他的}{吗|没有}？",
    "{再|再给我}{推荐|来|说}{一个|一个吧}。",
    "换一个{吧|}。",
    "{别的|其他的|另外的}呢？",
    "除了这个，还有{什么|哪些}？",
    "{能不能|能}再{举|说|推荐}一个{吗|}？",
    "这个{我知道了|听过了|不要}，{还有呢|换一个吧}。",
    "还有什么{推荐|}？",
    "再{来|推荐}{一个|一个别的}{吧|}。",
    "不要这个，换一个{吧|}。",
    "有没有别的{推荐|}？",
    "下一个{呢|}？",
    "多说{一个|几个}。",
)
LIKES = Pool(
    "我{喜欢|爱|很喜欢|特别喜欢}<value>。",
    "我最{喜欢|爱}<value>{了|}。",
    "{最近|平时|一直}{喜欢|爱}<value>。",
    "<value>是我的{最爱|爱好}。",
    "我{迷上了|很爱|超爱}<value>。",
    "我对<value>{很|特别|}感兴趣。",
    "{就|我就}喜欢<value>。",
    "我一直爱<value>。",
    "{我|}{比较|更}喜欢<value>。",
    "要说喜欢，{我|}最喜欢<value>。",
    "<value>我{很|最}喜欢。",
    "<value>最合我{心意|口味}。",
)
VERB = {"film": "看看", "song": "听听", "dish": "尝尝", "place": "去"}


def rows_as_dicts(topic: Topic) -> list[dict[str, str]]:
    return [dict(zip(topic.columns, row, strict=True)) for row in topic.rows]


ROWS = {name: rows_as_dicts(topic) for name, topic in TOPICS.items()}
NAMES = {name: [row["name"] for row in rows] for name, rows in ROWS.items()}
CHATS = [
    (wordings(questions), answer) for questions, answer in (line.split(" => ") for line in CHAT.strip().splitlines())
]


def shown(topic: Topic, name: str) -> str:
    return topic.mark.format(name)


def typed(topic: Topic, name: str, rng: random.Random) -> str:
    """A name as a user types it: often without its marks."""
    return name if rng.random() < 0.4 else shown(topic, name)


def tell(template: str, topic: Topic, row: dict[str, str], value: str) -> str:
    return re.sub(
        r"<(\w+)>", lambda slot: {**row, "name": shown(topic, row["name"]), "value": value}[slot[1]], template
    )


def fact_turn(key: str, row: dict, column: str, rng: random.Random, held_out: bool, follow: bool) -> tuple[str, str]:
    """(question, answer) about one column of ``row``; a follow-up says "it" or leaves the subject out."""
    topic, field = TOPICS[key], TOPICS[key].fields[column]
    templates = wordings(field.follow if follow else field.ask)
    lists = {"name": typed(topic, row["name"], rng), "it": [topic.pronoun]}
    return templates.draw(rng, held_out, lists), tell(field.tell, topic, row, row[column])


def known_columns(key: str, row: dict) -> list[str]:
    return [column for column in TOPICS[key].fields if row[column] != "-"]


def fact_check(key: str, row: dict, column: str) -> dict:
    """The facts by which a told value is judged: it, and no other value of its column."""
    others = [other[column] for other in ROWS[key] if other[column] != "-"]
    return {"topic": key, "row": list(row.values()), "wanted": [row[column]], "others": others}


def fact(rng: random.Random, held_out: bool) -> Sample:
    """One to three facts about one thing, the later ones asked about "it"."""
    key = rng.choices(list(TOPICS), (30, 22, 22, 24, 4))[0]
    row = rng.choice(ROWS[key])
    columns = rng.sample(known_columns(key, row), min(len(known_columns(key, row)), rng.choice((1, 1, 1, 2, 2, 3))))
    turns: list[str] = []
    for column in columns:
        question, answer = fact_turn(key, row, column, rng, held_out, follow=bool(turns))
        turns += [question if turns else ask(rng, question, held_out), answer]
    return dialogue(SKILL, *turns, **fact_check(key, row, columns[-1]))


def choose_group(rng: random.Random) -> tuple[str, Group, str, list[dict]]:
    """(topic, group, value, rows of that value)."""
    key = rng.choices(list(TOPICS), (28, 22, 24, 24, 3))[0]
    group = rng.choices(TOPICS[key].groups, [3, 1, 1][: len(TOPICS[key].groups)])[0]
    value = rng.choice(sorted({row[group.column] for row in ROWS[key]}))
    return key, group, value, [row for row in ROWS[key] if row[group.column] == value]


def one_of(key: str, rows: list[dict]) -> dict:
    """The facts by which a recommendation is judged: it names one of ``rows`` and nothing else of the topic."""
    return {"allowed": [row["name"] for row in rows], "topic": key}


def recommendation(rng: random.Random, held_out: bool) -> Sample:
    """Something of a kind, and then perhaps another one or a fact about it."""
    key, group, value, rows = choose_group(rng)
    if group.likes and rng.random() < 0.25:
        question = LIKES.draw(rng, held_out, {"value": group.likes.replace("<value>", value)})
    else:
        question = wordings(group.ask).ask(rng, held_out, {"value": value})
    row = rng.choice(rows)
    turns = [question, tell(group.tell, TOPICS[key], row, value)]
    return go_on(rng, held_out, key, row, rows, turns, lambda other: tell(group.tell, TOPICS[key], other, value))


def go_on(rng: random.Random, held_out: bool, key: str, row: dict, rows: list[dict], turns: list[str], say) -> Sample:
    """End here, ask for another one, or ask a fact about "it"."""
    chance = rng.random()
    if chance < 0.25:
        told = [column for column in known_columns(key, row) if row[column] not in turns[-1]]
        if told:
            column = rng.choice(told)
            turns += fact_turn(key, row, column, rng, held_out, follow=True)
            return dialogue(SKILL, *turns, **fact_check(key, row, column))
    others = [other for other in rows if other is not row]
    if chance > 0.85 and others:
        other = rng.choice(others)
        turns += [MORE.draw(rng, held_out), say(other)]
        return dialogue(SKILL, *turns, **one_of(key, others))
    return dialogue(SKILL, *turns, **one_of(key, rows))


def any_recommendation(rng: random.Random, held_out: bool) -> Sample:
    """Something, of whatever kind."""
    key = rng.choice(list(VERB))
    topic, row = TOPICS[key], rng.choice(ROWS[key])
    group = topic.groups[0]

    def say(row: dict) -> str:
        return tell(group.tell, topic, row, row[group.column])

    question = wordings(topic.recommend).ask(rng, held_out)
    return go_on(rng, held_out, key, row, ROWS[key], [question, say(row)], say)


def dislike(rng: random.Random, held_out: bool) -> Sample:
    """A dislike is answered by something of another kind."""
    key = rng.choice([key for key, topic in TOPICS.items() if topic.dislike])
    topic, group = TOPICS[key], TOPICS[key].groups[0]
    value = rng.choice(sorted({row[group.column] for row in ROWS[key]}))
    others = [row for row in ROWS[key] if row[group.column] != value]
    row = rng.choice(others)
    kind = f"{row[group.column]}{'片' if key == 'film' else '的'}"
    question = wordings(topic.dislike).draw(rng, held_out, {"value": value})
    return dialogue(SKILL, question, f"那就{VERB[key]}{kind}{shown(topic, row['name'])}吧。", **one_of(key, others))


def chat(rng: random.Random, held_out: bool) -> Sample:
    """Small talk."""
    questions, answer = rng.choice(CHATS)
    needle = re.search(r"\[(.+?)]", answer)[1]
    return dialogue(SKILL, questions.ask(rng, held_out), re.sub(r"[\[\]]", "", answer), needle=needle)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A chat of one to three turns."""
    kinds = (fact, recommendation, any_recommendation, dislike, chat)
    return rng.choices(kinds, (48, 28, 9, 5, 10))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether a fact is the right one, a recommendation fits, small talk keeps to its subject."""
    facts = sample.facts
    if "needle" in facts:
        return facts["needle"] in plain(answer)
    if "wanted" in facts:
        given = sample.question + "|".join(facts["row"])
        right_thing = named(answer, NAMES[facts["topic"]]) <= named(given, NAMES[facts["topic"]])
        return right_thing and names_only(answer, facts["wanted"], facts["others"], given)
    key = facts["topic"]
    advises = re.search("可以|推荐|那就|不妨|试试|过《", plain(answer))
    fits = names_one(answer, facts["allowed"], NAMES[key], sample.question)
    return bool(advises) and fits and tells_true(answer, key, sample.question)


def tells_true(answer: str, key: str, question: str) -> bool:
    """Return whether what a recommendation says of maker, kind, home or season belongs to what it names."""
    names = named(answer, NAMES[key])
    chosen = [row for row in ROWS[key] if plain(row["name"]) in names]
    for column in TOPICS[key].columns[1:]:
        values = {row[column] for row in ROWS[key]}
        told = named(answer, [*values, *NAMES[key]]) - names - named(question, values)
        if told - {plain(row[other]) for row in chosen for other in row}:
            return False
    return True
