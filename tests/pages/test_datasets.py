"""The data page: from an uploaded file to a set that trains, and everything that can be done to it."""

import json
import threading

import pytest

from glm_core import i18n, ui
from glm_core.auth import audit
from glm_core.data import export, library, xlsx_job
from glm_core.data.examples import pair
from tests.pages.test_pages import open_page
from tests.paths import ROOT
from tests.tiny import tiny_chatglm

NASTY = "<script>alert(1)</script> **粗** :red[x] $a$ ![i](http://x/y.png)"
GOOD = "question,answer\n你是谁,我是小印\n你好,\n再见,再见！\n".encode()


def follow(app):
    """Stay on the page that the script went to; AppTest would go back to where it began."""
    here = app.title[0].value if app.title else ""
    page = next((name for name in ("datasets", "training") if i18n.t(f"page.{name}") == here), "upload")
    return app.switch_page(str(ROOT / "pages" / f"{page}.py"))


def upload(app, file: str, content: bytes):
    app.file_uploader[0].set_value((file, content, "application/octet-stream"))
    return follow(app.run())


def click(app, key: str):
    return follow(app.button(key=key).click().run())


def shown(app) -> str:
    """All text on the page."""
    return "\n".join(
        element.value for kind in ("markdown", "caption", "subheader", "error") for element in app.get(kind)
    )


def rows(count: int, tag: str = "") -> list:
    return [pair(f"问题{tag}{number}", f"答案{number}") for number in range(count)]


# bringing in


def test_a_file_is_checked_then_kept():
    app = upload(open_page("datasets"), "我的数据.csv", GOOD)
    assert not app.exception and not app.error
    assert "可用 **2** 行" in shown(app) and "我是小印" in shown(app)
    problems = app.table[0].value
    assert problems.index[0] == "3" and problems.iloc[0, 0] == "answer"
    assert all(dataset.bundled for dataset in library.datasets())
    click(app, "keep")
    [kept] = [dataset for dataset in library.datasets() if not dataset.bundled]
    assert (kept.name, kept.rows, kept.source) == ("我的数据", 2, "我的数据.csv")
    assert not app.exception and app.subheader[0].value == "我的数据"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.png", b"\x89PNG", "a.png"),
        ("a.json", b'[{"question": "a"', "第 1 行"),
        ("a.csv", b"", "a.csv"),
        ("a.xlsx", b"no sheet", "xlsx"),
        ("a.csv", "Są książki,zażółć gęślą jaźń\n".encode("cp1250") * 9, "UTF-8"),
    ],
)
def test_a_bad_file_is_one_sentence_and_changes_nothing(file, content, words):
    kept = library.add("原来的", rows(3))
    app = upload(open_page("datasets"), file, content)
    assert not app.exception and len(app.error) == 1 and words in shown(app).replace("\\", "")
    assert [button for button in app.button if button.key == "keep"] == []
    click(app, "cancel")
    assert not app.error and app.title[0].value == i18n.t("page.datasets") and library.get(kept.id) == kept


def test_pasted_rows_are_kept_like_a_file():
    app = click(open_page("datasets"), "paste")
    app.text_area(key="pasted").set_value("问：你好\n答：你好呀\n\n问：再见\n答：再见！").run()
    click(app, "keep")
    assert [example.question for example in library.examples(app.radio(key="set").value)] == ["你好", "再见"]


UNKNOWN = "序号,标题,正文\n1,一,二\n2,三,四\n".encode()


def test_unknown_columns_are_mapped_with_live_examples():
    app = upload(open_page("datasets"), "a.csv", UNKNOWN)
    app.selectbox(key="map-None-question").set_value("标题").run()
    app.selectbox(key="map-None-answer").set_value("正文").run()
    assert not app.exception and [message.markdown[0].value for message in app.chat_message] == ["一", "二", "三", "四"]
    click(app, "keep")
    assert library.examples(app.radio(key="set").value)[1].question == "三"


def test_words_around_columns_are_seen_in_the_live_example():
    app = open_page("datasets")
    app.session_state["map-None-question"] = "用一句话介绍{标题}"  # typed, not chosen
    app.session_state["map-None-answer"] = "正文"
    upload(app, "a.csv", UNKNOWN)
    assert [message.markdown[0].value for message in app.chat_message][:2] == ["用一句话介绍一", "二"]


def test_an_impossible_mapping_is_a_sentence():
    app = open_page("datasets")
    app.session_state["map-None-question"] = "没有的列"
    app.session_state["map-None-answer"] = "正文"
    upload(app, "a.csv", UNKNOWN)
    assert not app.exception and len(app.error) == 1


def test_a_task_is_offered_when_its_columns_are_there():
    app = upload(open_page("datasets"), "a.csv", "text,label\n好吃,正面\n难吃,负面\n".encode())
    click(app, "suggest")
    assert app.selectbox(key="task").value == "classification" and "只回答类别" in shown(app)


def test_columns_of_question_and_answer_come_before_a_task_that_takes_neither():
    said = "".join(f"第{number}种问法,第{number}个回答,{'营业售后'[number % 2 * 2 :][:2]}\n" for number in range(8))
    app = upload(open_page("datasets"), "a.csv", f"客户说的话,咱们该咋回,哪类\n{said}".encode())
    offered = [button.key for button in app.button if button.key and button.key.startswith(("proposal", "suggest"))]
    assert offered == ["proposal-None", "suggest"]
    click(app, "proposal-None")
    assert "suggest" not in [button.key for button in app.button], "the columns have been chosen"
    assert i18n.t("datasets.before_mapping") not in shown(app), "nothing was wrong but that they had not been"


def test_a_set_that_is_deleted_elsewhere_is_said_to_be_gone_and_one_deleted_here_is_not():
    here, elsewhere = library.add("一", rows(3)), library.add("二", rows(3, "乙"))
    app = open_page("datasets", set=elsewhere.id)
    library.remove(elsewhere.id)
    app.button(key="train").click().run()
    assert [one.value for one in app.info] == [i18n.t("datasets.gone")] and app.title[0].value == "数据"
    app.radio(key="set").set_value(here.id).run()
    app.checkbox(key=f"sure-{here.id}").check().run()
    app.button(key="delete").click().run()
    assert not app.info and [one for one in library.datasets() if not one.bundled] == []


def test_a_chosen_task_is_said_anew_in_another_language():
    app = open_page("upload")
    app.text_area(key="pasted").set_value("标题\t正文\n甲\t乙\n").run()
    app.selectbox(key="task").set_value("advertisement").run()
    app.button_group(key="lang").set_value("en").run()
    sent = app.selectbox(key="task").proto
    assert not app.exception
    assert sent.set_value and sent.raw_value == i18n.table("en")["data.template.advertisement"]


def test_a_set_is_replaced_only_by_a_checked_file():
    kept = library.add("原来的", rows(3))
    app = click(open_page("datasets", set=kept.id), "replace")
    assert "原来的" in shown(app)
    upload(app, "bad.json", b"[")
    assert app.error and library.get(kept.id) == kept
    upload(app, "good.csv", GOOD)
    assert not app.error and library.get(kept.id) == kept
    click(app, "keep")
    changed = library.get(kept.id)
    assert (changed.name, changed.rows, changed.source) == ("原来的", 2, "good.csv")
    assert app.subheader[0].value == "原来的" and len([one for one in library.datasets() if not one.bundled]) == 1


@pytest.mark.parametrize("address", ["imprint", "../../etc", "gone", ""])
def test_an_address_cannot_replace_what_may_not_be_replaced(address):
    before = library.get("imprint")
    app = open_page("upload", set=address)
    upload(app, "good.csv", GOOD)
    click(app, "keep")
    assert not app.exception and library.get("imprint") == before
    assert [one.name for one in library.datasets() if not one.bundled] == ["good"]


def test_cancelling_forgets_the_file():
    app = click(upload(open_page("datasets"), "a.csv", GOOD), "cancel")
    assert all(dataset.bundled for dataset in library.datasets()) and "incoming" not in app.session_state
    assert click(app, "paste").title[0].value == i18n.t("page.upload")


# the imprint


def test_the_imprint_changes_with_the_names_and_becomes_a_set():
    app = open_page("datasets", set="imprint")
    app.text_input(key="imprint_name").set_value("小明").run()
    app.text_input(key="imprint_author").set_value("王二").run()
    assert "小明" in shown(app) and "王二" in shown(app) and not app.exception
    click(app, "train")
    [kept] = [dataset for dataset in library.datasets() if not dataset.bundled]
    assert kept.rows == library.get("imprint").rows and "小明" in library.examples(kept.id)[0].answer
    assert app.title[0].value == i18n.t("page.training")


def test_the_names_outlive_a_refresh():
    app = open_page("datasets", set="imprint", imprint_name="小明")
    assert not app.exception and app.text_input(key="imprint_name").value == "小明" and "小明" in shown(app)
    assert app.text_input(key="imprint_author").placeholder == library.IMPRINT[1] and library.IMPRINT[1] in shown(app)


def test_odd_names_are_a_sentence():
    app = open_page("datasets", set="imprint")
    app.text_input(key="imprint_name").set_value("a\u202eb").run()
    assert not app.exception and len(app.error) == 1
    app.text_input(key="imprint_name").set_value("").run()
    assert not app.error


# what can be done with a set


def test_people_s_words_are_shown_never_run():
    kept = library.add(NASTY, [pair(NASTY, NASTY)], source=NASTY)
    app = open_page("datasets", set=kept.id)
    assert not app.exception
    drawn = shown(app)
    assert "<script>" not in drawn and "**粗**" not in drawn and ":red[" not in drawn and "![i]" not in drawn
    assert not any(markdown.allow_html for markdown in app.markdown)


def test_rows_are_searched_and_paged():
    kept = library.add("a", rows(30))
    app = open_page("datasets", set=kept.id)
    assert "问题0" in shown(app) and "问题8" not in shown(app)
    app.number_input[0].set_value(2).run()
    assert "问题8" in shown(app) and "问题0" not in shown(app)
    app.text_input(key=f"search-{kept.id}").set_value("问题29").run()
    assert "问题29" in shown(app) and "问题8" not in shown(app)
    app.text_input(key=f"search-{kept.id}").set_value("没有").run()
    assert not app.exception and "问题29" not in shown(app)


def test_a_name_given_in_another_tab_stays():
    kept = library.add("a", rows(4))
    app = open_page("datasets", set=kept.id)
    library.rename(kept.id, "新名字")
    app.run()
    assert not app.exception and library.get(kept.id).name == "新名字"
    assert app.text_input(key=f"name-{kept.id}").value == "新名字"


def test_renaming_splitting_and_deleting():
    kept = library.add("a", rows(20))
    app = open_page("datasets", set=kept.id)
    app.text_input(key=f"name-{kept.id}").set_value("新名字").run()
    assert app.subheader[0].value == "新名字"
    app.slider(key="share").set_value(20).run()
    click(app, "split")
    assert sorted(dataset.rows for dataset in library.datasets() if not dataset.bundled) == [4, 16, 20]
    app.radio(key="set").set_value(kept.id).run()
    assert [button for button in app.button if button.key == "delete"] == []
    app.checkbox(key=f"sure-{kept.id}").check().run()
    click(app, "delete")
    assert kept.id not in [dataset.id for dataset in library.datasets()] and not app.exception


def test_a_bundled_set_is_copied_before_it_is_changed():
    app = open_page("datasets", set="imprint")
    assert not any(button.key in ("delete", "replace") for button in app.button)
    click(app, "copy")
    assert not library.get(app.radio(key="set").value).bundled


@pytest.mark.parametrize("view", ["lengths", "check", "edit"])
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_view_opens(view, language, workspace):
    tiny_chatglm(workspace / "models" / "tiny")
    kept = library.add(
        "a",
        [pair(f"评论{n}", "好" if n % 3 else "差") for n in range(30)]
        + [pair("评论1", "好"), pair("评论2", "差" * 2_500)],
    )
    app = open_page("datasets", language, set=kept.id)
    i18n.use(language)
    app.session_state["view"] = i18n.t(f"datasets.view.{view}")
    app.run()
    assert not app.exception and not app.error
    if view == "lengths":
        assert "**1**" in shown(app)  # the long answer would be cut
    if view == "check":
        assert [metric.value for metric in app.metric] == ["32", "1", "1", "1"]


def checks(id: str):
    """The data page with the checks of a set open."""
    app = open_page("datasets", set=id)
    app.session_state["view"] = i18n.t("datasets.view.check")
    return app.run()


def test_what_is_found_is_a_table_that_wraps_and_shows_beginnings():
    long = pair("几点开门？", NASTY + "长" * 500)
    app = checks(library.add("a", [long, long, pair("几点开门？", "十点。")]).id)
    assert not app.exception and [list(one.value.index) for one in app.table] == [["2"], ["3"]]
    answers = [one.value.iloc[0, -1] for one in app.table]
    assert all(len(answer) < 200 and "<script>" not in answer for answer in answers)


def test_repeated_rows_are_dropped_on_request_and_come_back():
    kept = library.add("a", rows(3) + rows(2))
    app = checks(kept.id)
    click(app, "mend-repeated")
    assert library.get(kept.id).rows == 3 and not app.exception and not app.table
    click(app, "restore")
    assert library.get(kept.id).rows == 5 and not app.exception


def test_personal_data_is_masked_and_placeholders_are_filled_in():
    kept = library.add("a", [pair("怎么联系", "打 13812345678"), pair("你是谁", "我是【公司名】的助手")])
    app = checks(kept.id)
    click(app, "mend-placeholders")
    assert len(app.error) == 1 and library.get(kept.id) == kept
    app.text_input(key="fill-【公司名】").set_value("青禾")
    click(app, "mend-placeholders")
    click(app, "mend-personal")
    assert [row.answer for row in library.examples(kept.id)] == ["打 138******78", "我是青禾的助手"]
    click(app, "forget")
    assert not library.get(kept.id).previous and not app.exception


def test_a_bundled_set_is_checked_and_must_be_copied_to_be_mended():
    app = checks("advertisement")
    assert not app.exception and not [one for one in app.button if str(one.key).startswith("mend-")]


def test_an_edited_row_that_cannot_be_used_changes_nothing(monkeypatch):
    kept = library.add("a", rows(3))
    app = open_page("datasets", set=kept.id)
    app.session_state["view"] = i18n.t("datasets.view.edit")
    app.run()
    edits = {"edited_rows": {"1": {"response": " "}}, "added_rows": [], "deleted_rows": []}
    app.session_state[f"edit-{kept.sha256}-0"] = edits
    monkeypatch.setattr(export, "table", lambda rows: [{"prompt": "a", "response": ""}])
    click(app, "save")
    assert len(app.error) == 1 and library.get(kept.id) == kept


def test_a_damaged_set_says_so_and_can_be_removed(workspace):
    kept = library.add("a", rows(3))
    (workspace / "datasets" / kept.id / "dataset.json").write_text("{")
    app = open_page("datasets")
    assert not app.exception and kept.id.split("-")[-1] in shown(app)
    click(app, f"delete-{kept.id}")
    assert library.damaged() == [] and not app.exception


def test_an_address_of_a_set_that_is_gone_shows_another():
    app = open_page("datasets", set="../../etc")
    assert not app.exception and not app.error and app.subheader
    assert [one.value for one in app.info] == [i18n.t("datasets.gone")]
    assert not open_page("datasets", set="imprint").info and not open_page("datasets").info


def test_when_a_set_was_made_is_told_by_the_reader_s_clock(monkeypatch):
    kept = library.add("a", rows(3))
    monkeypatch.setattr(ui, "local_time", lambda seconds: f"clock {seconds:.0f}")
    assert f"clock {kept.created:.0f}" in shown(open_page("datasets", set=kept.id))


def test_exports_are_offered_in_every_format():
    kept = library.add("a", rows(3))
    app = open_page("datasets", set=kept.id)
    names = [button.proto.label for button in app.get("download_button")]
    assert names == ["jsonl", "csv", "xlsx"]
    assert json.loads(export.export(library.examples(kept.id), "jsonl").splitlines()[0])


def test_the_excel_file_of_a_large_set_is_prepared_then_offered(monkeypatch):
    monkeypatch.setattr(xlsx_job, "LARGE", 2)
    kept = library.add("a", rows(3))
    app = open_page("datasets", set=kept.id)
    assert [button.proto.label for button in app.get("download_button")] == ["jsonl", "csv"]
    click(app, "sheet")
    xlsx_job.find(kept).wait(30)
    app.run()
    assert not app.exception and [button.key for button in app.get("download_button")][-1] == "sheet-download"
    assert i18n.t("datasets.sheet_done") in shown(app)


def test_the_preparing_of_an_excel_file_can_be_cancelled(monkeypatch):
    on = threading.Event()
    monkeypatch.setattr(xlsx_job, "LARGE", 2)
    monkeypatch.setattr(xlsx_job, "write_xlsx", lambda rows, path, note: (note(0.5), on.wait(30), note(0.6)))
    kept = library.add("a", rows(3))
    app = open_page("datasets", set=kept.id)
    click(app, "sheet")
    assert not app.exception and xlsx_job.find(kept).state == "running"
    click(app, "sheet-cancel")
    on.set()
    xlsx_job.find(kept).wait(30)
    app.run()
    assert i18n.t("datasets.sheet_cancelled") in shown(app) and not app.exception


@pytest.mark.parametrize("page", ["datasets", "training"])
def test_two_sets_of_one_name_are_two_options(page):
    for answer in ("a", "b"):
        library.add("同名", [pair("你好", answer)])
    app = open_page(page)
    options = (app.radio(key="set") if page == "datasets" else app.selectbox(key="dataset")).options
    assert len(options) == len(set(options)) == len(library.datasets())


def test_a_file_that_cannot_be_read_says_why_and_offers_another():
    app = open_page("upload")
    app.session_state["incoming"] = (b"\x89PNG\r\n\x1a\n", "picture.png")
    app.run()
    assert "不认识 picture.png 的格式" in app.error[0].value
    assert "task" not in [one.key for one in app.selectbox], "there is nothing to map"
    app.button(key="other").click().run()
    assert not app.error and app.file_uploader and app.text_area


def test_a_bundled_set_offers_the_copy_where_it_would_be_edited():
    app = open_page("datasets", set="advertisement")
    app.session_state["view"] = i18n.t("datasets.view.edit")
    app.run()
    app.button(key="edit-copy").click().run()
    assert not app.exception and library.datasets()[0].source == library.get("advertisement").name
    assert audit.entries()[0]["action"] == "audit.data.add"


def test_what_is_not_used_is_said_before_and_after_it_is_kept():
    rows = "question,answer,备注\n你好,我是NAME,要紧\n再见,慢走,要紧\n".encode()
    app = upload(open_page("datasets"), "a.csv", rows)
    [said] = [one.value for one in app.warning]
    assert "备注" in said and "NAME" in said
    click(app, "keep")
    assert "备注" in app.warning[0].value


def test_the_other_reading_is_a_click_away():
    app = upload(open_page("datasets"), "faq.txt", "问：一？\n答：二\n问：三？\n答：四\n".encode())
    assert len(app.chat_message) == 4
    app.toggle(key="other-reading").set_value(True).run()
    click(app, "keep")
    assert [len(example.messages) for example in library.examples(app.radio(key="set").value)] == [4]


def test_guessed_columns_are_kept_only_after_somebody_agreed():
    app = upload(open_page("datasets"), "a.csv", "甲,乙\n今天天气好吗,今天是晴天\n明天会下雨吗,明天多云\n".encode())
    assert "keep" not in [button.key for button in app.button] and not app.chat_message
    click(app, "proposal-None")
    assert [message.markdown[0].value for message in app.chat_message][:2] == ["今天天气好吗", "今天是晴天"]
    click(app, "keep")
    assert library.examples(app.radio(key="set").value)[1].answer == "明天多云"


def test_rows_are_shown_as_a_model_sees_them(workspace):
    tiny_chatglm(workspace / "models" / "tiny")
    app = upload(open_page("datasets"), "a.csv", GOOD)
    app.toggle(key="as-seen").set_value(True).run()
    assert not app.exception
    assert any("[gMASK]" in block.value for block in app.code) and any("我是小印" in block.value for block in app.code)
