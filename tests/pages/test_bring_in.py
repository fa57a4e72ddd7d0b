"""Ways rows come in besides one file: several files, rows behind those of a set, a data set of a hub."""

import time

import pytest

from glm_core import i18n, state
from glm_core.auth import sessions
from glm_core.auth.accounts import Account
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.hub import http_download
from tests.data.test_remote import CARD, REPO, columns, lines
from tests.hub.fakehub import serving
from tests.pages.test_datasets import click, follow, shown
from tests.pages.test_pages import open_page

FILES = [
    ("一月.csv", "question,answer\n几点开门,九点\n在哪,人民路\n".encode(), "text/csv"),
    ("二月.jsonl", '{"instruction": "能退货吗", "output": "七天内可以"}\n'.encode(), ""),
    ("坏.png", b"\x89PNG", ""),
]


def own() -> list:
    return [one for one in library.datasets() if not one.bundled]


def uploaded(files, **query):
    app = open_page("upload", **query)
    app.file_uploader[0].set_value(files)
    return follow(app.run())


@pytest.mark.parametrize("page", ["datasets", "upload"])
def test_several_files_become_one_set(page):
    app = open_page(page)
    app.file_uploader[0].set_value(FILES)
    app = follow(app.run())
    assert not app.exception and [one.replace("\\", "") for one in app.table[0].value.index] == [
        "一月.csv",
        "二月.jsonl",
        "坏.png",
    ]
    assert "json" in app.table[0].value.iloc[2, 0], "why the last one cannot be read"
    app.text_input(key="keep-as").set_value("客服")
    click(app, "keep")
    [kept] = own()
    assert (kept.name, kept.rows, kept.source) == ("客服", 3, "一月.csv + 二月.jsonl") and not app.exception


def test_several_files_become_a_set_each():
    app = uploaded(FILES[:2])
    app.segmented_control(key="files-as").set_value("several")
    click(follow(app.run()), "keep")
    assert sorted((one.name, one.rows) for one in own()) == [("一月", 2), ("二月", 1)]


def test_rows_are_appended_from_the_data_page():
    kept = library.add("店铺", [pair("你好", "您好")], source="a.csv")
    app = click(open_page("datasets", set=kept.id), "append")
    assert not app.exception and i18n.t("datasets.appending", name="店铺") in shown(app)
    app.file_uploader[0].set_value(FILES[0])
    app = follow(app.run())
    click(app, "keep")
    [grown] = own()
    assert (grown.rows, grown.previous, grown.source) == (3, kept.sha256, "a.csv + 一月.csv")


def test_several_files_are_appended_together():
    kept = library.add("店铺", [pair("你好", "您好")])
    click(uploaded(FILES[:2], set=kept.id, append="1"), "keep")
    assert [one.rows for one in own()] == [4]


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(http_download, "WAITS", (0.01,))
    with serving() as hub:
        hub.files[REPO] = {
            "README.md": CARD.encode(),
            "rows/train-00.jsonl": lines(0, 30),
            "rows/test.jsonl": lines(100, 103),
            "table/part.parquet": columns(12),
        }
        yield hub


def looked_up(hub, repo=REPO):
    app = open_page("upload")
    app.segmented_control(key="hub-from").set_value("mirror")
    app = follow(app.run())
    app.text_input(key="hub-endpoint").set_value(hub.address)
    app.text_input(key="hub-repo").set_value(repo)
    app = follow(app.run())
    return click(app, "hub-find")


def test_a_slice_of_a_split_of_a_hubs_set_is_kept_with_its_licence(hub):
    app = looked_up(hub)
    assert not app.exception and not app.error and "apache-2.0" in shown(app).replace("\\", "")
    assert len(app.dataframe[0].value) == 5
    app.number_input(key="hub-start").set_value(11)
    app.number_input(key="hub-count").set_value(4)
    app = click(app, "hub-bring")
    deadline = time.monotonic() + 20
    while not any(one.key == "keep" for one in app.button):
        assert time.monotonic() < deadline and not app.exception
        app = follow(app.run())
    click(app, "keep")
    [kept] = own()
    assert [one.question for one in library.examples(kept.id)] == ["问10", "问11", "问12", "问13"]
    assert kept.source == f"{REPO} · train · apache-2.0" and kept.name == "chats-short-train"


def test_the_training_part_of_a_set_without_a_card_is_proposed_and_not_the_first_by_name(hub):
    hub.files[REPO] = {"data/test-00000.jsonl": lines(100, 103), "data/train-00000.jsonl": lines(0, 30)}
    app = looked_up(hub)
    [split] = [one for one in app.selectbox if one.key.startswith("hub-split")]
    assert (split.value, split.options) == ("train", ["test", "train"])


def test_a_set_that_is_not_there_is_a_sentence(hub):
    app = looked_up(hub, "people/none")
    assert not app.exception and len(app.error) == 1


@pytest.mark.parametrize(("role", "asked"), [("trainer", False), ("administrator", True)])
def test_only_administrators_name_a_mirror_while_shared(hub, monkeypatch, role, asked):
    monkeypatch.setattr(state.sharing(), "on", True)
    monkeypatch.setattr(sessions, "session", lambda _token: Account(3, "li", role, "li-0123"))
    app = looked_up(hub)
    assert not app.exception and bool(hub.asked) is asked and len(app.error) == (not asked)


def test_of_a_pasted_group_chat_the_page_asks_who_answers_and_nothing_else():
    app = open_page("upload")
    app.text_area(key="pasted").set_value(
        "甲：几点开会？\n乙：三点。\n丙：我来。\n甲：好。\n乙：记得带书。\n丙：好。\n"
    ).run()
    assert app.selectbox(key="assistant").options == ["甲", "乙", "丙"]
    assert not [one.key for one in app.selectbox if one.key.startswith("map-")] and not app.dataframe
    app.selectbox(key="assistant").set_value("乙").run()
    click(app, "keep")
    [kept] = own()
    [row] = library.examples(kept.id)
    assert [one["content"] for one in row.messages][:2] == ["甲：几点开会？", "三点。"] and not app.exception


def test_of_another_person_in_a_conversation_the_page_asks_who_it_is():
    chat = "用户：坏了\n助手：请重启。\n主管：我来处理。\n用户：谢谢\n助手：不客气。\n"
    app = uploaded([("chat.txt", chat.encode(), "text/plain")])
    assert not app.exception and "主管：我来处理。" in shown(app)
    app.segmented_control(key="speaker-主管").set_value("assistant")
    click(app.run(), "keep")
    [kept] = own()
    assert [one["content"] for one in library.examples(kept.id)[0].messages][1] == "请重启。\n我来处理。"


def test_an_encoding_that_cannot_be_told_is_chosen():
    app = uploaded([("korean.csv", "질문,답변\n배송비,무료\n".encode("cp949"), "text/csv")])
    assert not app.exception and "--encoding" in app.error[0].value
    app.selectbox(key="encoding-korean.csv").set_value("cp949")
    app = app.run()
    assert not app.exception and "무료" in shown(app)
    click(app, "keep")
    assert [one.rows for one in own()] == [1]
