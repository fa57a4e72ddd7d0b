"""The models and download pages: load and give the memory back, adapters in and out, deletion, downloads that show where they are."""

import shutil
import time

import pytest
from streamlit.testing.v1 import AppTest

from glm_core import i18n, state, ui, workspace
from glm_core.auth import audit
from glm_core.hub import download_job, http_download
from glm_core.machine.machine import Gpu, Machine
from glm_core.runs import Run, store
from glm_core.runs.exchange import export, import_adapter
from glm_core.serving import Request, load_job
from glm_core.serving.engine import LocalEngine
from glm_core.serving.errors import LoadingCancelled
from tests.hub.fakehub import serving
from tests.hub.test_sources import FILES, REPO
from tests.pages.test_pages import open_page
from tests.runs.exchange.test_import_adapter import trained, zipped
from tests.serving.test_load_job import Gate
from tests.tiny import tiny_chatglm


@pytest.fixture
def engine(monkeypatch):
    """An engine of the test's own."""
    engine = LocalEngine()
    monkeypatch.setattr(state, "engine", lambda: engine)
    monkeypatch.setattr(state, "loaded", lambda: engine.loaded)
    yield engine
    engine.close()


@pytest.fixture
def base(workspace):
    """A small model of one's own."""
    return tiny_chatglm(workspace / "models" / "tiny")


@pytest.fixture
def hub(monkeypatch):
    """A hub with one small model."""
    monkeypatch.setattr(http_download, "WAITS", (0.01,) * 3)
    with serving() as hub:
        hub.files[REPO] = dict(FILES)
        yield hub


def words(app: AppTest) -> str:
    """Everything the page says, the texts of its bars included."""
    said = [one.value for kind in (app.markdown, app.caption, app.error) for one in kind]
    return "\n".join(said + [bar.proto.text for bar in app.get("progress")]).replace("\\", "")


def keys(app: AppTest) -> list[str]:
    return [button.key for button in app.button]


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception[0].value
    return app


def bring_in(base, tmp_path) -> Run:
    """An adapter as the page brings it in, checked in this process; returns its run."""
    return import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base, owner="local")


def load(app: AppTest, engine: LocalEngine) -> AppTest:
    """The page once the model has come in."""
    click(app, "load-tiny")
    job = load_job.current(engine)
    if job is not None:
        job.wait(60)
    return app.run()


def test_load_and_unload_say_what_the_memory_does(base, engine):
    app = open_page("models")
    assert "ChatGLM-6B" in words(app) and "登记后可免费商用" in words(app)
    app = load(app, engine)
    assert engine.loaded.path == base.resolve() and "已加载" in words(app)
    app = click(app, "unload-tiny")
    assert engine.loaded is None and "卸载前" in words(app) and "load-tiny" in keys(app)


def test_a_folder_that_is_no_model_says_why(workspace):
    (workspace / "models" / "half").mkdir(parents=True)
    broken = workspace / "models" / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    said = words(open_page("models"))
    assert "没有 config.json" in said and "读不出来" in said


def test_a_model_is_deleted_only_after_being_sure_and_a_bundled_one_never(base, engine):
    app = load(open_page("models"), engine)
    assert "delete-tiny" not in keys(app)
    app.checkbox(key="sure-tiny").check().run()
    app = click(app, "delete-tiny")
    assert not base.exists() and engine.loaded is None and "load-tiny" not in keys(app)
    assert not [one.key for one in app.checkbox if one.key.startswith("sure-")], "bundled models offer no deletion"


def test_a_model_in_training_cannot_be_deleted(base, tmp_path):
    run = bring_in(base, tmp_path)
    assert "有 1 次训练" in words(open_page("models"))
    store.write_status(run, "queued", queued=time.time())
    assert not [one for one in open_page("models").checkbox if one.key == "sure-tiny"]


def test_files_are_checked_against_digests(hub):
    download_job.start(download_job.Source("huggingface", REPO, hub.address)).wait(20)
    app = click(open_page("models"), "verify-small")
    assert "3 个文件都与摘要相符" in words(app)
    (workspace.home() / "models" / "small" / "model.safetensors").write_bytes(FILES["model.safetensors"][::-1])
    app = click(app, "verify-small")
    assert "model.safetensors" in words(app) and "不符" in words(app)


def test_an_adapter_comes_in_and_goes_out_merged(base, tmp_path):
    app = open_page("models")
    name, content = zipped(trained(base, tmp_path / "a"))[0]
    app.file_uploader(key="adapter").set_value([(name, content.read(), "application/zip")]).run()
    assert app.selectbox(key="adapter_base").value.name == "tiny", "the base that the adapter names is chosen"
    click(app, "import")
    assert not app.error
    [run] = store.runs()
    app = open_page("models")
    assert f"zip-{run.id}" in [one.key for one in app.download_button]
    click(app, f"merge-{run.id}")
    [job] = export.jobs()
    job.wait(60)
    app = open_page("models")
    assert "导出好了" in words(app)
    assert job.path.name.startswith("tiny-") and run.id not in job.path.name, "called by names"
    click(app, f"use-{job.path.name}")
    assert f"load-{job.path.name}" in keys(open_page("models"))


def test_an_adapter_that_does_not_fit_is_a_sentence(base, tmp_path):
    tiny_chatglm(workspace.home() / "models" / "wide", hidden_size=32, inner_hidden_size=128)
    app = open_page("models")
    name, content = zipped(trained(base, tmp_path / "a"))[0]
    app.file_uploader(key="adapter").set_value([(name, content.read(), "application/zip")]).run()
    wide = next(one for one in app.selectbox(key="adapter_base").options if one == "wide")
    app.selectbox(key="adapter_base").select(wide).run()
    click(app, "import")
    assert "换成训练它时用的基座模型" in app.error[0].value and store.runs() == []


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_catalogue_tells_size_memory_cards_and_licence(language):
    app = open_page("download", language)
    assert not app.exception and not app.error
    said = words(app)
    for fact in ("chatglm-6b", "13.4 GB", "RTX 3060", "BELLE-7B-2M", "131,072"):
        assert fact in said
    i18n.use(language)
    assert i18n.t("families.licence.bloom") in said and i18n.t("catalogue.note.belle") in said
    assert "get-bloomz-1b7" not in keys(app), "not on ModelScope"
    app.button_group(key="from").set_value("huggingface").run()
    assert "get-bloomz-1b7" in keys(app)


def from_mirror(hub) -> AppTest:
    app = open_page("download")
    app.button_group(key="from").set_value("mirror").run()
    app.text_input(key="endpoint").set_value(hub.address).run()
    app.text_input(key="repo").set_value(REPO).run()
    return click(app, "get-other")


def test_a_download_shows_progress_stops_and_goes_on(hub):
    hub.slow = 0.05
    app = from_mirror(hub)
    assert "stop-small" in keys(app) and "镜像不归官方管" in words(app)
    click(app, "stop-small")
    download_job.get("small").wait(10)
    app = open_page("download")
    assert "已停下" in words(app)
    hub.slow = 0
    click(app, "resume-small")
    download_job.get("small").wait(10)
    app = open_page("download")
    assert "3 个与模型站列出的摘要相符" in words(app)
    click(app, "open-small")
    assert "load-small" in keys(app) and download_job.downloads() == []


def test_a_failed_download_says_why_and_can_be_thrown_away(hub):
    hub.faults["config.json"] = [401]
    app = from_mirror(hub)
    download_job.get("small").wait(10)
    app = open_page("download")
    assert "没有下完" in words(app) and "访问令牌" in app.error[0].value
    click(app, "sure-small")
    assert download_job.downloads() == [] and not (download_job.downloads_folder() / "small").exists()


def test_a_wrong_address_is_a_sentence(hub):
    hub.address = "file:///etc"
    app = from_mirror(hub)
    assert "不是可用的镜像地址" in app.error[0].value and download_job.downloads() == []


def test_a_mirror_without_address_is_not_the_official_hub(hub):
    hub.address = ""
    app = from_mirror(hub)
    assert "不是可用的镜像地址" in app.error[0].value and download_job.downloads() == []


def test_a_download_of_the_catalogue_is_shown_in_its_place(hub):
    hub.files["zai-org/chatglm-6b-int4"] = dict(FILES)
    hub.slow = 0.05
    app = open_page("download")
    app.button_group(key="from").set_value("mirror").run()
    app.text_input(key="endpoint").set_value(hub.address).run()
    click(app, "get-chatglm-6b-int4")
    assert "stop-chatglm-6b-int4" in keys(app) and "get-chatglm-6b-int4" not in keys(app)
    assert "正在下载 chatglm-6b-int4" in "".join(
        link.proto.label for link in open_page("models").get("page_link")
    ).replace("\\", "")
    download_job.discard("chatglm-6b-int4")


@pytest.mark.parametrize("page", ["run", "runs", "compare", "chat", "training"])
def test_every_page_takes_an_imported_adapter_as_a_run(base, tmp_path, page):
    run = bring_in(base, tmp_path)
    app = open_page(page, run=run.id)
    assert not app.exception and not app.error


def test_a_truncated_model_says_so_in_plain_view(engine, base):
    weights = next(base.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:5000])
    app = load(open_page("models"), engine)
    assert len(app.error) == 1 and "tiny" in app.error[0].value
    assert "load-tiny" in keys(app)
    app = click(app, "dismiss-loading")
    assert not app.error


def test_a_load_under_way_shows_its_stage_and_can_be_cancelled(engine, base, monkeypatch):
    gate = Gate(monkeypatch, 0.5)
    click(open_page("models"), "load-tiny")
    assert gate.reached.wait(60)
    app = open_page("models")
    assert "正在加载 tiny · 读取权重" in words(app) and app.button(key="load-chatglm-demo").disabled
    click(app, "cancel-loading")
    gate.open()
    load_job.current(engine).wait(30)
    app = open_page("models")
    assert "已取消加载" in words(app) and engine.loaded is None and not app.button(key="load-tiny").disabled
    assert [row["action"] for row in audit.entries()[:2]] == ["audit.model.load_stop", "audit.model.load"]


def test_a_load_that_a_question_asked_for_can_be_cancelled_too(engine, base, monkeypatch):
    gate = Gate(monkeypatch, 0.5)
    handle = engine.submit(Request(({"role": "user", "content": "你好"},), "tiny"))
    assert gate.reached.wait(60)
    app = open_page("models")
    assert "tiny 正因一个提问而加载" in words(app)
    click(app, "cancel-loading")
    gate.open()
    with pytest.raises(LoadingCancelled):
        "".join(handle)


def test_adapters_of_one_name_are_told_apart_by_when_they_came(base, tmp_path):
    run = bring_in(base, tmp_path)
    assert ui.local_time(run.created) in words(open_page("models"))


def test_an_adapter_of_an_earlier_base_is_said_to_be_one(base, tmp_path):
    run = bring_in(base, tmp_path)
    assert "权重换过了" not in words(open_page("models"))
    shutil.rmtree(base)
    tiny_chatglm(base, seed=5)
    assert "基座模型 tiny 的权重换过了" in words(open_page("models")) and store.get(run.id)
    assert "基座模型 tiny 的权重换过了" in words(open_page("chat", model=run.id)), "and where it is loaded to answer"


def test_a_merge_that_ended_with_the_server_can_be_begun_again_and_its_result_deleted(base, tmp_path):
    run = bring_in(base, tmp_path)
    job = export.start_export(run, base)
    job.wait(60)
    export.remove(job)
    job.end("broken")
    app = open_page("models")
    assert "服务器在导出途中停了" in words(app)
    click(app, f"again-{job.path.name}")
    export.jobs()[0].wait(60)
    app = open_page("models")
    assert job.path.is_dir() and "导出好了" in words(app)
    click(app, f"drop-sure-{job.path.name}")
    assert not job.path.exists() and export.jobs() == []


def test_what_is_no_model_cannot_be_loaded(engine, workspace):
    folder = workspace / "models" / "other"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    app = open_page("models")
    assert "gpt2" in words(app) and "load-other" not in keys(app)


def test_an_adapter_whose_base_is_gone_stays_says_so_and_can_be_taken_away(base, tmp_path):
    run = bring_in(base, tmp_path)
    shutil.rmtree(base)
    app = open_page("models")
    assert not app.exception and "基座模型 tiny 不在了" in words(app)
    assert any(one.proto.id.endswith(f"zip-{run.id}") for one in app.get("download_button"))
    assert f"chat-{run.id}" not in keys(app)
    assert "基座模型 tiny 不在了" in words(open_page("run", run=run.id))


@pytest.mark.parametrize(
    ("cards", "memory", "said"),
    [
        ((24,), 64, "能训练，能聊天（bf16）"),
        ((11,), 64, "能训练，能聊天（int8）"),
        ((2,), 64, "放不下"),
        ((), 64, "没有显卡，训练和聊天都很慢"),
        ((), 8, "放不下"),
    ],
)
def test_the_catalogue_says_what_this_computer_can_do(monkeypatch, cards, memory, said):
    found = tuple(Gpu(place, "NVIDIA", 0, gib << 30) for place, gib in enumerate(cards))
    monkeypatch.setattr(
        "glm_core.machine.machine.machine", lambda: Machine(found, 8, memory << 30, memory << 30, 1 << 40)
    )
    app = open_page("download")
    assert not app.exception
    verdicts = [one.value for one in app.markdown if "这台电脑：" in one.value]
    names = [one.value for one in app.markdown if one.value.startswith("**")]
    assert said in verdicts[[name.startswith("**chatglm-6b**") for name in names].index(True)]
