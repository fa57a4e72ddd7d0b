"""The vote page as voters, guests and the owner see it, and what none of them can find out."""

import pytest

from glm_core import i18n, state, ui
from glm_core.auth import audit
from glm_core.auth.accounts import Account
from glm_core.auth.network import addresses
from glm_core.evaluation import blind_votes
from glm_core.evaluation.analysis.vote_tally import Tally
from glm_core.evaluation.blind_votes import Pair, VoteSide
from tests.pages.test_compare import shown
from tests.pages.test_pages import open_page

PAIRS = [Pair(f"第{i}问？", f"旧答{i}", f"新答{i}") for i in range(3)]
BASE, RUN = "secretbase", "secretrun"


@pytest.fixture
def vote():
    return blind_votes.start("run-1", "u-owner", (VoteSide(BASE), VoteSide(RUN, 120)), PAIRS)


@pytest.fixture
def become(monkeypatch):
    """Look at the pages as somebody else."""

    def become(role="guest", folder="guest-1"):
        monkeypatch.setattr(ui, "visitor", lambda: Account(7, "somebody", role, folder))

    become()
    return become


def everything_sent(app) -> str:
    """All that the browser gets: every element as it goes over the wire."""
    return "\n".join(str(block.proto) for block in app.main) + "\n".join(str(block.proto) for block in app.sidebar)


def test_a_guest_votes_question_by_question_and_may_change_their_mind(vote, become):
    app = open_page("vote", vote=vote.id)
    assert not app.exception and app.title[0].value == i18n.t("vote.title")
    for place in range(3):
        assert f"第{place}问" in shown(app) and {f"旧答{place}", f"新答{place}"} <= {one.value for one in app.markdown}
        app.button(key="first").click().run()
    assert i18n.t("vote.thanks", count=3) in shown(app)
    assert blind_votes.ballot(vote, "guest-1") == dict.fromkeys(range(3), "first")
    app.button(key="again").click().run()
    assert app.button(key="first").proto.type == "primary"
    app.button(key="bad").click().run()
    assert blind_votes.ballot(vote, "guest-1") == {0: "bad", 1: "first", 2: "first"}
    assert [one["action"] for one in audit.entries()].count("audit.vote.cast") == 1


def test_a_reload_shuffles_nothing_and_goes_on_where_one_was(vote, become):
    app = open_page("vote", vote=vote.id)
    before = [one.value for one in app.markdown]
    assert [one.value for one in open_page("vote", vote=vote.id).markdown] == before
    app.button(key="equal").click().run()
    assert "第1问" in shown(open_page("vote", vote=vote.id))


def test_nothing_that_is_sent_tells_which_answer_is_whose(vote, become):
    sent = {}
    for number in range(12):
        become("guest", f"guest-{number}")
        app = open_page("vote", vote=vote.id)
        page = everything_sent(app)
        assert BASE not in page and RUN not in page and vote.secret not in page and "run-1" not in page
        assert i18n.t("compare.original") not in page and i18n.t("compare.column.tuned") not in page
        first = "旧答0" if page.index("旧答0") < page.index("新答0") else "新答0"
        sent.setdefault(first, set()).add(page.replace("旧答0", "X").replace("新答0", "X"))
    assert set(sent) == {"旧答0", "新答0"} and sent["旧答0"] == sent["新答0"], (
        "but for the order the pages are the same"
    )


def test_the_tally_is_the_owners_alone_until_the_vote_is_closed(vote, become):
    blind_votes.cast(vote, "x", 0, "equal")
    app = open_page("vote", vote=vote.id)
    assert not app.table and "switch" not in [one.key for one in app.button]
    become("trainer", "u-another")
    assert not open_page("vote", vote=vote.id).table
    become("trainer", "u-owner")
    app = open_page("vote", vote=vote.id)
    assert i18n.t("vote.counted", voters=1, total=1) in [one.value for one in app.caption]
    assert not app.table, "the owner may vote, too: whose answers are ahead is said when it is closed"
    assert f"vote?vote={vote.id}" in app.code[0].value
    app.button(key="switch").click().run()
    assert not blind_votes.get(vote.id).open
    become()
    app = open_page("vote", vote=vote.id)
    assert app.table and not app.button and BASE in app.table[0].value.index
    become("administrator", "u-boss")
    open_page("vote", vote=vote.id).button(key="switch").click().run()
    assert blind_votes.get(vote.id).open
    actions = [one["action"] for one in audit.entries()]
    assert "audit.vote.close" in actions and "audit.vote.reopen" in actions


def test_one_voter_is_not_everybody(become):
    pairs = [Pair(f"第{i}问？", f"旧答{i}", f"新答{i}", ("wrong", "right")) for i in range(12)]
    vote = blind_votes.start("run-1", "u-owner", (VoteSide(BASE), VoteSide(RUN, 120)), pairs)
    for place in range(12):
        blind_votes.cast(vote, "x", place, "first")
    blind_votes.set_open(vote, False)
    become("trainer", "u-owner")
    app = open_page("vote", vote=vote.id)
    page = "\n".join([shown(app), *(one.value for one in app.caption)])
    assert i18n.t("vote.outcome.few") in page and i18n.t("vote.counted", voters=1, total=12) in page
    assert "一致" in page and "大家" not in page and "p =" not in page


def test_a_page_drawn_before_the_end_cannot_vote_after_it(vote, become):
    app = open_page("vote", vote=vote.id)
    blind_votes.set_open(vote, False)
    app.button(key="first").click().run()
    assert not app.exception and blind_votes.tally(vote) == Tally()


@pytest.mark.parametrize("identifier", ["", "0" * 16, "../../accounts.db", "..%2f..", "<b>x</b>"])
def test_a_link_to_nothing_is_a_sentence(become, identifier):
    app = open_page("vote", vote=identifier)
    assert not app.exception and i18n.t("vote.error.unknown") in shown(app) and not app.button
    assert [link.label for link in app.get("page_link")] == [i18n.t("page.chat")]  # and not a dead end


def test_two_votes_in_one_session_do_not_mix(vote, become):
    other = blind_votes.start("run-1", "u-owner", (VoteSide(BASE), VoteSide(RUN, 120)), [Pair("别的？", "甲", "乙")])
    app = open_page("vote", vote=vote.id)
    app.button(key="first").click().run()
    app.query_params["vote"] = other.id
    app.run()
    assert "别的" in shown(app)
    app.button(key="bad").click().run()
    assert blind_votes.tally(other) == Tally(bad=1, voters=1) and blind_votes.tally(vote).total == 1


def test_hostile_texts_are_drawn_as_text(become):
    hostile = "![x](http://e/x.png) <b>:red[x]</b>"
    vote = blind_votes.start(
        "run-1",
        "u-owner",
        (VoteSide(hostile), VoteSide(hostile, 120)),
        [Pair(hostile, hostile, hostile + "！")],
        hostile,
    )
    blind_votes.set_open(vote, False)
    closed = open_page("vote", vote=vote.id)
    blind_votes.set_open(vote, True)
    for app in (closed, open_page("vote", vote=vote.id)):
        assert not app.exception
        live = (
            (shown(app) + app.title[0].value)
            .replace("\\[", "")
            .replace("\\<", "")
            .replace("\\:", "")
            .replace("\\!", "")
        )
        assert "![x](" not in live and "<b>" not in live and ":red[x]" not in live


def test_without_accounts_anybody_at_this_computer_votes(vote):
    assert not state.sharing().on
    open_page("vote", vote=vote.id).button(key="equal").click().run()
    assert blind_votes.ballot(vote, "local") == {0: "equal"}


def test_behind_a_proxy_the_link_names_the_address_that_its_owner_uses(vote, become, monkeypatch):
    become("trainer", "u-owner")
    shared = state.sharing()
    monkeypatch.setattr(shared, "on", True)
    monkeypatch.setattr(shared, "urls", lambda: ["http://192.168.1.2:8501"])
    monkeypatch.setattr(ui, "address", lambda: "https://tune.example.org")
    coded, draw = [], addresses.qr_code
    monkeypatch.setattr(addresses, "qr_code", lambda url: coded.append(url) or draw(url))
    app = open_page("vote", vote=vote.id)
    assert not app.exception and [one.value for one in app.code] == [f"https://tune.example.org/vote?vote={vote.id}"]
    monkeypatch.setattr(ui, "address", lambda: "http://localhost:8501")
    app = open_page("vote", vote=vote.id)
    assert [one.value for one in app.code] == [f"http://192.168.1.2:8501/vote?vote={vote.id}"]
    assert coded == [f"{base}/vote?vote={vote.id}" for base in ("https://tune.example.org", "http://192.168.1.2:8501")]
