"""Rows with several answers of which a vote, a rank or a score says the best: that one is learned, the others are left.

Covers columns such as response_a, response_b and winner, a column for each outcome, a score beside each answer, and lists
of answers with lists of scores or ranks. Rows without a better answer are counted. Where the file leaves open which
answer a number means, the row is a problem that says so.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from glm_core.data.examples import RowError, is_blank
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.columns import fold
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.values import is_flag, number_in

_STEM = (
    r"(?P<stem>(?:response|answer|completion|output|reply|generation|candidate|conversation|human ref|assistant|text|summary"
    r"|回答|答案|回复|输出|回应|候选)(?: content| text)?)"
)
_SIDE = r"(?P<side>[a-h]|\d|one|two|甲|乙|一|二)"
_ANSWERS = (
    re.compile(rf"(?:model )?{_STEM} ?(?:model |by )?{_SIDE}"),
    re.compile(rf"(?:model |assistant |模型){_SIDE} ?的?{_STEM}"),
)
_SCORED = (
    re.compile(rf"(?P<stem>score|rating|reward|rank|votes|评分|得分|分数|打分|排名)s? ?(?:model )?{_SIDE}"),
    re.compile(rf"(?:model |模型)?{_SIDE} ?(?P<stem>score|rating|reward|rank|评分|得分|分数|排名)"),
)
_OUTCOMES = (
    re.compile(rf"(?P<stem>winner|win|wins|preferred)(?: is)? ?(?:model |response )?(?:{_SIDE}|tie|draw|both|neither)"),
)
_NAMED = re.compile(
    rf"(?:选|第|模型)?(?:model|response|answer|completion|output|assistant|candidate|option|回答|答案|回复|选项)?[ #]*{_SIDE}"
    r"(?: is better| wins| better|个|号|更好|胜|较好|好|优)?"
)
WINNERS = tuple(
    (
        "winner|win|winning|winning model|better|better response|better answer|better response id|best|best response|best answer|"
        "preference|preferred|preferred response|preferred answer|preferred output|human preference|choice|verdict|judgment|judgement|"
        "vote|label|labels|更好|更好的|哪个更好|哪个好|较好|胜者|胜出|获胜|获胜方|优胜|偏好|选择|更优|标注|结果"
    ).split("|")
)
_TIES = frozenset(
    (
        "tie|ties|tied|draw|both|equal|same|neither|none|even|both bad|both good|bothbad|tie (bothbad)|tie (both bad)|tie both bad|"
        "about the same|平|平局|打平|一样|一样好|差不多|相同|都好|都不好|都差|都不行|难分|不分胜负|平手"
    ).split("|")
)
_SAME = {"one": "1", "two": "2", "甲": "a", "乙": "b", "一": "1", "二": "2"}
_LISTS = names_of.split_names(
    "responses|answers|completions|outputs|candidates|generations|replies|summaries|response|answer|completion|output|reply|"
    "回答列表|候选|候选回答|回答|回复|答案|输出"
)
_SCORES = names_of.split_names("scores|ratings|rewards|score|rating|overall scores|votes|评分|得分|分数|打分")
_RANKS = names_of.split_names("ranks|rank|ranking|rankings|排名|排序")
_OF_ONE = names_of.split_names(
    "score|votes|upvotes|likes|pm score|得票|点赞数|overall score|rating|overall rating|reward|评分|得分|分数"
)
_BEST = names_of.split_names(
    "is best|best|is accepted|accepted|is chosen|chosen|selected|preferred|is correct|correct|采纳|是否采纳|最佳|是否最佳|正确"
)
_TEXTS = names_of.split_names("response|text|content|answer|output|completion|generation|summary|回答|回复|内容|文本")

_OPPOSITES = [
    pair.split("/")
    for pair in names_of.split_names(
        "good/bad|accepted/rejected|positive/negative|pos/neg|better/worse|best/worst|win/lose|winner/loser|winning/losing|"
        "good response/bad response|good answer/bad answer|better response/worse response|response w/response l|"
        "correct/incorrect|right/wrong|采纳/拒绝|好/坏|好/差|好回答/坏回答|好回答/差回答|正例/负例|正确/错误|正确回答/错误回答"
    )
]
TIE = -1


@dataclass(frozen=True)
class Contest:
    """The answers of one row, the place of the best among them or `TIE`, and the columns that were looked at."""

    answers: list
    best: int
    taken: set[str]


Decide = Callable[[dict], Contest | None]


def find(records: Sequence[dict]) -> Decide | None:
    """The function that decides a row; it gives None for a row without several answers. None for files of other kinds."""
    keys = [key for key in dict.fromkeys(key for record in records for key in record) if isinstance(key, str)]
    names = names_of.folded(keys)
    if any(name in names for name in ("chosen", "chosen response", "response chosen")):
        return None
    answers = _sides(_ANSWERS, keys)
    others = {name: key for name, key in names.items() if key not in answers.values()}
    if len(answers) > 1 and not names_of.first(others, names_of.ANSWERS):
        return _decide_columns(answers, others, records)
    if pair := _opposites(names, records):
        return pair
    listed = names_of.first(names, _LISTS)
    if listed and any(isinstance(record.get(listed), list) and len(record[listed]) > 1 for record in records):
        return _decide_list(listed, names, records)
    return None


def settled(rows: Iterator[Row], decide: Decide, tally: NoticeTally) -> Iterator[Row]:
    """`rows` with the best answer as `chosen` and another one as `rejected`; ties are left out and counted."""
    for line, record in rows:
        if isinstance(record, RowError):
            yield line, record
            continue
        try:
            found = decide(record)
        except RowError as error:
            yield line, error
            continue
        if found is None:
            yield line, record
        elif found.best == TIE:
            tally.add("ties_unused")
        else:
            others = [one for place, one in enumerate(found.answers) if place != found.best and not is_blank(one)]
            rest = {key: value for key, value in record.items() if key not in found.taken}
            yield line, {**rest, "chosen": found.answers[found.best], **({"rejected": others[0]} if others else {})}


def _opposites(names: dict[str, str], records: Sequence[dict]) -> Decide | None:
    """Two columns of texts whose names say which is the better one, such as good and bad."""
    pairs = [(names[good], names[bad]) for good, bad in _OPPOSITES if good in names and bad in names]
    for good, bad in pairs:
        texts = [value for record in records for value in (record.get(good), record.get(bad)) if not is_blank(value)]
        if any(not is_flag(value) for value in texts) and all(isinstance(value, str | list) for value in texts):
            return lambda record, good=good, bad=bad: (
                Contest([record.get(good), record.get(bad)], 0, {good, bad}) if good in record else None
            )
    return None


def _sides(patterns: Sequence[re.Pattern], keys: Sequence[str]) -> dict[str, str]:
    """Letter or number -> column, of the columns of the first stem that has several."""
    stems: dict[str, dict[str, str]] = {}
    for key in keys:
        found = next((mark for pattern in patterns if (mark := pattern.fullmatch(fold(key)))), None)
        if found and found["side"]:
            stems.setdefault(found["stem"], {})[_SAME.get(found["side"], found["side"])] = key
    return next((columns for columns in stems.values() if len(columns) > 1), {})


def _decide_columns(answers: dict[str, str], others: dict[str, str], records: Sequence[dict]) -> Decide:
    scores, outcomes = _sides(_SCORED, list(others.values())), _sides(_OUTCOMES, list(others.values()))
    models = {side: key for side in answers if (key := others.get(f"model {side}") or others.get(f"模型{side}"))}
    winner = names_of.first(others, WINNERS)
    numbers = {number for record in records if winner and (number := number_in(record.get(winner))) is not None}
    ties = [key for name, key in others.items() if _OUTCOMES[0].fullmatch(name) and key not in outcomes.values()]
    taken = {*answers.values(), *scores.values(), *outcomes.values(), *ties, *([winner] if winner else [])}

    def decide(record: dict) -> Contest | None:
        found = [record.get(key) for key in answers.values()]
        if sum(not is_blank(one) for one in found) < 2:
            return None
        if winner and not is_blank(record.get(winner)):
            place = _place(record, winner, answers, models, numbers)
        elif len(outcomes) > 1:
            place = _by_outcome(record, outcomes, answers, ties)
        elif set(scores) >= set(answers):
            place = _by_score([record.get(scores[side]) for side in answers], scores[next(iter(answers))])
        else:
            raise RowError("data.row.several_answers", winner or "", answers=", ".join(answers.values()))
        return Contest(found, place, taken)

    return decide


def _place(record: dict, winner: str, answers: dict[str, str], models: dict[str, str], numbers: set[float]) -> int:
    """The place of the answer that a cell names: by its letter or number, its model, or its own text.

    Raises:
        RowError: it names none, or it is 0 or 1 where answers have letters.
    """
    value, sides = record[winner], list(answers)
    word = fold(str(value))
    if word in _TIES:
        return TIE
    for named in (models, answers):
        places = [place for place, side in enumerate(sides) if side in named and record.get(named[side]) == value]
        if len(places) == 1:
            return places[0]
    number = number_in(value)
    if number is None:
        found = _NAMED.fullmatch(word)
        side = _SAME.get(found["side"], found["side"]) if found else ""
    else:
        side = _numbered(number, sides, numbers)
    if side == "":
        raise RowError("data.row.which_answer", winner, found=str(value)[:40], answers=", ".join(answers.values()))
    return (
        TIE
        if side == "tie"
        else sides.index(side)
        if side in sides
        else _lettered(side, sides, record, winner, answers)
    )


def _lettered(side: str, sides: list[str], record: dict, winner: str, answers: dict[str, str]) -> int:
    """The place of a letter where the columns have numbers."""
    if side.isalpha() and all(one.isdigit() for one in sides) and ord(side) - ord("a") < len(sides):
        return sorted(range(len(sides)), key=lambda place: sides[place])[ord(side) - ord("a")]
    raise RowError("data.row.which_answer", winner, found=str(record[winner])[:40], answers=", ".join(answers.values()))


def _numbered(number: float, sides: list[str], numbers: set[float]) -> str:
    """The letter or number of the answer that `number` means, of all `numbers` of the file; "tie"; empty where it is open."""
    count = len(sides)
    if all(side.isdigit() for side in sides):
        return str(int(number)) if number == int(number) and str(int(number)) in sides else "tie" if number == 0 else ""
    if numbers <= set(map(float, range(count + 1))) and count in numbers:  # from 1 on; 0 is neither
        return "tie" if number == 0 else sides[int(number) - 1]
    return ""


def _by_outcome(record: dict, outcomes: dict[str, str], answers: dict[str, str], ties: list[str]) -> int:
    won = [side for side in answers if side in outcomes and _is_true(record.get(outcomes[side]))]
    if len(won) == 1:
        return list(answers).index(won[0])
    if won or any(_is_true(record.get(key)) for key in ties):
        return TIE
    raise RowError("data.row.several_answers", next(iter(outcomes.values())), answers=", ".join(answers.values()))


def _is_true(value: object) -> bool:
    return (
        value is True
        or number_in(value) == 1
        or (isinstance(value, str) and value.strip().lower() in ("true", "yes", "是"))
    )


def _by_score(values: Sequence[object], column: str) -> int:
    """The place of the highest score, or of the lowest rank; `TIE` where all are the same.

    Raises:
        RowError: one is no number.
    """
    numbers = [number_in(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise RowError("data.row.several_answers", column, answers=column)
    if len(set(known)) < 2:
        return TIE
    best = min(known) if fold(column) in _RANKS or "rank" in fold(column) or "排" in column else max(known)
    return known.index(best)


def _decide_list(listed: str, names: dict[str, str], records: Sequence[dict]) -> Decide | None:
    """Decide rows whose answers are a list, with scores or ranks in another list or in the answers themselves."""
    scores = next(
        (key for name in (*_SCORES, *_RANKS) if isinstance(records[0].get(key := names.get(name, "")), list)), None
    )
    winner = names_of.first(names, WINNERS)
    numbers = {number for record in records if winner and (number := number_in(record.get(winner))) is not None}
    inner = next((one for record in records for one in record.get(listed) or () if isinstance(one, dict)), {})
    own = names_of.first(names_of.folded(inner), (*_OF_ONE, *_RANKS))
    flag = None if scores or own else names_of.first(names_of.folded(inner), _BEST)
    if not scores and not own and not flag and not (winner and numbers):
        return None
    taken = {
        listed,
        *([scores] if scores else []),
        *([winner] if winner and not scores and not own and not flag else []),
    }

    def decide(record: dict) -> Contest | None:
        answers = record.get(listed)
        if not isinstance(answers, list) or len(answers) < 2:
            return None
        if scores:
            values = record.get(scores)
            if not isinstance(values, list) or len(values) != len(answers):
                raise RowError("data.row.several_answers", scores, answers=listed)
            place = _by_rank(values, scores) if fold(scores) in _RANKS else _by_score(values, scores)
        elif own:
            place = _by_score([one.get(own) if isinstance(one, dict) else None for one in answers], own)
        elif flag:
            place = next(
                (at for at, one in enumerate(answers) if isinstance(one, dict) and _is_true(one.get(flag))), TIE
            )
        else:
            place = _indexed(number_in(record.get(winner)), len(answers), numbers, winner or "", listed)
        return Contest([_text(one) for one in answers], place, taken)

    return decide


def _by_rank(values: list, column: str) -> int:
    """The place of the best: of the rank 1, or the first of an order of places.

    Raises:
        RowError: a list from 0 on may be either, and they differ.
    """
    numbers = [number_in(value) for value in values]
    if 0.0 not in numbers:
        return _by_score(values, column)
    if (
        len(set(numbers)) == len(numbers)
        and set(numbers) == set(range(len(numbers)))
        and numbers[0] == numbers.index(0)
    ):
        return int(numbers[0] or 0)
    raise RowError("data.row.which_answer", column, found=str(values)[:40], answers=column)


def _indexed(number: float | None, count: int, numbers: set[float], winner: str, listed: str) -> int:
    """The place that `number` means in a list; from 0 on where one of the file's `numbers` is 0, from 1 on where one is the length.

    Raises:
        RowError: it may be either.
    """
    begin = (
        0
        if 0.0 in numbers and max(numbers) < count
        else 1
        if 0.0 not in numbers and max(numbers, default=0) == count
        else None
    )
    if number is None or begin is None or not number.is_integer() or not 0 <= number - begin < count:
        raise RowError(
            "data.row.which_answer", winner, found=f"{number:g}" if number is not None else "", answers=listed
        )
    return int(number) - begin


def _text(answer: object) -> object:
    """The text of an answer that is an object with its score."""
    if not isinstance(answer, dict):
        return answer
    key = names_of.first(names_of.folded(answer), _TEXTS)
    return answer[key] if key else answer
