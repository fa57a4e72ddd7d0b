"""Blind votes: what is asked, in which order, how it is kept and counted, and what hostile input gets."""

import threading

import pytest

from glm_core import i18n, workspace
from glm_core.evaluation import blind_votes
from glm_core.evaluation.analysis.vote_tally import Tally
from glm_core.evaluation.blind_votes import Pair, VoteError, VoteSide

PAIRS = [Pair(f"第{i}问？", f"原{i}", f"新{i}") for i in range(12)]


@pytest.fixture
def vote():
    return blind_votes.start("run-1", "local", (VoteSide("tiny"), VoteSide("作者训练", 120)), PAIRS, "哪个更像客服？")


def choose_side(vote, voter, place, side):
    """Vote for a model's answer wherever this voter sees it."""
    first = "other" if vote.swapped(voter, place) else "one"
    return blind_votes.cast(vote, voter, place, "first" if side == first else "second")


def test_only_pairs_that_differ_are_asked_and_no_more_than_the_limit():
    same = Pair("同？", "一样 ", "一样")
    assert blind_votes.choose([same, PAIRS[0]]) == [PAIRS[0]]
    many = [Pair(str(i), "a", "b") for i in range(50)]
    assert len(blind_votes.choose(many)) == blind_votes.MOST_QUESTIONS and blind_votes.choose(
        many
    ) == blind_votes.choose(many)
    with pytest.raises(VoteError, match="一样"):
        blind_votes.start("run-1", "local", (VoteSide("a"), VoteSide("b")), [same])


def test_a_side_is_said_in_the_readers_language_whoever_opened_the_vote(vote):
    i18n.use("en")
    assert list(map(str, blind_votes.get(vote.id).sides)) == ["tiny", "作者训练 · step 120"]
    assert str(VoteSide("a", 3, 0.5)) == "a · step 3 · strength 0.5"


def test_a_vote_of_an_earlier_version_keeps_its_names(vote):
    file = blind_votes.folder() / vote.id / "vote.json"
    record = workspace.read_json(file)
    del record["sides"]
    workspace.write_json(file, record | {"names": ["tiny", "作者训练 · 第 120 步"]})
    assert list(map(str, blind_votes.get(vote.id).sides)) == ["tiny", "作者训练 · 第 120 步"]


def test_the_order_is_the_voters_own_and_stays(vote):
    orders = {name: [vote.swapped(name, place) for place in range(len(PAIRS))] for name in ("甲", "乙", "guest-1")}
    assert len({tuple(order) for order in orders.values()}) == 3
    again = blind_votes.get(vote.id)
    assert orders["甲"] == [again.swapped("甲", place) for place in range(len(PAIRS))]
    assert all(set(order) == {True, False} for order in orders.values())
    assert vote.shown("甲", 0) == (("新0", "原0") if orders["甲"][0] else ("原0", "新0"))


def test_the_order_is_fair_and_follows_from_nothing_that_voters_see(vote):
    share = sum(vote.swapped(f"v{i}", 0) for i in range(1000)) / 1000
    assert 0.43 < share < 0.57
    other = blind_votes.start("run-1", "local", (VoteSide("tiny"), VoteSide("作者训练", 120)), PAIRS)
    assert [vote.swapped("甲", i) for i in range(12)] != [other.swapped("甲", i) for i in range(12)]


def test_choices_are_counted_for_the_model_whatever_the_order(vote):
    for voter in ("甲", "乙", "丙"):
        for place in range(4):
            choose_side(vote, voter, place, "other")
    blind_votes.cast(vote, "丙", 4, "equal")
    blind_votes.cast(vote, "丙", 5, "bad")
    assert blind_votes.tally(vote) == Tally(one=0, other=12, equal=1, bad=1, voters=3, other_questions=4)


def test_a_second_vote_on_a_question_replaces_the_first(vote):
    assert choose_side(vote, "甲", 0, "one") is True
    assert choose_side(vote, "甲", 0, "other") is False
    assert blind_votes.cast(vote, "甲", 1, "second") is False
    assert blind_votes.ballot(vote, "甲")[1] == "second"
    assert (
        blind_votes.tally(vote).total == 2
        and blind_votes.tally(vote).voters == 1
        and blind_votes.ballot(vote, "乙") == {}
    )


def test_a_closed_vote_takes_nothing_until_it_is_open_again(vote):
    choose_side(vote, "甲", 0, "one")
    blind_votes.set_open(vote, False)
    with pytest.raises(VoteError, match="结束"):
        choose_side(vote, "甲", 0, "other")  # also by a page that was drawn before
    assert not blind_votes.get(vote.id).open and blind_votes.tally(vote).one == 1
    blind_votes.set_open(vote, True)
    choose_side(vote, "甲", 0, "other")
    assert blind_votes.tally(vote) == Tally(other=1, voters=1, other_questions=1)


@pytest.mark.parametrize("place,choice", [(-1, "first"), (12, "first"), (0, "other"), (0, ""), (0, "../x")])
def test_questions_and_choices_that_do_not_exist_are_refused(vote, place, choice):
    with pytest.raises(VoteError):
        blind_votes.cast(vote, "甲", place, choice)
    assert blind_votes.tally(vote).total == 0


@pytest.mark.parametrize(
    "identifier",
    ["", "..", "../runs", "0123456789abcdef", "0123456789ABCDEF", "a" * 15 + "/", "a" * 16 + "\n", "%2e%2e"],
)
def test_foreign_ids_and_paths_are_no_votes(vote, identifier, workspace):
    (workspace / "vote.json").write_text((blind_votes.folder() / vote.id / "vote.json").read_text("utf-8"), "utf-8")
    with pytest.raises(VoteError, match="没有这次盲评"):
        blind_votes.get(identifier)


@pytest.mark.parametrize("voter", ["../../evil", "/etc/passwd", "a\x00b", "x" * 5000, "\ud800"])
def test_a_voters_name_is_never_a_path(vote, voter):
    blind_votes.cast(vote, voter, 0, "equal")
    ballots = list((blind_votes.folder() / vote.id / "ballots").iterdir())
    assert len(ballots) == 1 and len(ballots[0].name) == 37 and blind_votes.ballot(vote, voter) == {0: "equal"}


def test_damaged_files_count_for_nothing(vote):
    ballots = blind_votes.folder() / vote.id / "ballots"
    blind_votes.cast(vote, "甲", 0, "equal")
    (ballots / "x.json").write_text("{", "utf-8")
    workspace.write_json(
        ballots / "y.json", {"choices": {"0": "both", "99": "one", "-1": "one", "x": "one", "1": ["one"]}}
    )
    workspace.write_json(ballots / "z.json", {"choices": ["one"]})
    assert blind_votes.tally(vote) == Tally(equal=1, voters=1)
    workspace.write_json(blind_votes.folder() / ("b" * 16) / "vote.json", {"sides": ["a"], "pairs": [[1, 2, 3]]})
    assert [one.id for one in blind_votes.votes()] == [vote.id]


def test_the_number_of_voters_has_a_limit(vote, monkeypatch):
    monkeypatch.setattr(blind_votes, "MOST_VOTERS", 2)
    blind_votes.cast(vote, "甲", 0, "equal")
    blind_votes.cast(vote, "乙", 0, "equal")
    with pytest.raises(VoteError, match="2"):
        blind_votes.cast(vote, "丙", 0, "equal")
    blind_votes.cast(vote, "甲", 1, "equal")


def test_two_windows_of_one_voter_lose_nothing(vote):
    threads = [threading.Thread(target=blind_votes.cast, args=(vote, "甲", place, "bad")) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blind_votes.tally(vote) == Tally(bad=12, voters=1)


def test_the_outcome_is_said_only_where_chance_is_unlikely():
    assert Tally().outcome == "none" and Tally(equal=9).outcome == "none" and Tally(equal=9).share is None
    assert Tally(voters=3, one_questions=2, other_questions=3).outcome == "open"
    clear = Tally(voters=3, one_questions=1, other_questions=9)
    assert clear.outcome == "other" and Tally(voters=3, one_questions=9, other_questions=1).outcome == "one"
    assert clear.chance == pytest.approx(0.021484375) and clear.interval == pytest.approx((0.596, 0.982), abs=1e-3)


def test_questions_are_counted_and_not_ballots(vote):
    for voter in ("甲", "乙", "丙", "丁"):
        for place in range(3):
            choose_side(vote, voter, place, "other")
    counted = blind_votes.tally(vote)
    assert (counted.other, counted.other_questions, counted.outcome) == (12, 3, "open")


def test_fewer_than_three_voters_decide_nothing(vote):
    for place in range(12):
        choose_side(vote, "甲", place, "other")
    assert blind_votes.tally(vote).outcome == "few"


def test_a_vote_that_was_opened_again_after_its_result_says_nothing(vote):
    for voter in ("甲", "乙", "丙"):
        for place in range(12):
            choose_side(vote, voter, place, "other")
    blind_votes.set_open(vote, False)
    assert blind_votes.tally(blind_votes.get(vote.id)).outcome == "other"
    blind_votes.set_open(vote, True)
    blind_votes.set_open(vote, False)
    counted = blind_votes.tally(blind_votes.get(vote.id))
    assert counted.outcome == "seen" and counted.other == 36


def test_voters_are_compared_with_the_judge_where_both_decided():
    outcomes = [("wrong", "right"), ("wrong", "right"), ("right", "wrong"), ("right", "right"), ("unsure", "right")]
    pairs = [Pair(f"问{n}", f"原{n}", f"新{n}", told) for n, told in enumerate(outcomes)]
    vote = blind_votes.get(blind_votes.start("run-1", "local", (VoteSide("tiny"), VoteSide("作者训练", 120)), pairs).id)
    for place in range(5):
        choose_side(vote, "甲", place, "other")
    counted = blind_votes.tally(vote)
    assert (counted.judged, counted.agreed) == (3, 2)
