"""The pages of the dashboard: file, icon and the role each of them needs."""

from dataclasses import dataclass
from pathlib import Path

from glm_core.workspace import ROOT


@dataclass(frozen=True)
class PageEntry:
    """A page of the dashboard. Its file and address are `name`, its title is the text `page.<name>`; `role` may see it."""

    name: str
    icon: str
    hidden: bool = False
    role: str = "trainer"

    @property
    def file(self) -> Path:
        return ROOT / "pages" / f"{self.name}.py"


PAGES = (
    PageEntry("home", ":material/home:"),
    PageEntry("datasets", ":material/dataset:"),
    PageEntry("upload", ":material/upload_file:", hidden=True),
    PageEntry("documents", ":material/article:", hidden=True),
    PageEntry("training", ":material/model_training:"),
    PageEntry("run", ":material/monitoring:", hidden=True),
    PageEntry("runs", ":material/history:", hidden=True),
    PageEntry("compare", ":material/compare:"),
    PageEntry("report", ":material/fact_check:", hidden=True),
    PageEntry("vote", ":material/how_to_vote:", hidden=True, role="guest"),
    PageEntry("chat", ":material/chat:", role="guest"),
    PageEntry("models", ":material/deployed_code:"),
    PageEntry("download", ":material/download:", hidden=True),
    PageEntry("settings", ":material/settings:"),
    PageEntry("accounts", ":material/group:", hidden=True),
)
