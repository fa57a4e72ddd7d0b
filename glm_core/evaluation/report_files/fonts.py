"""A font of this computer that has Chinese characters, and how wide a text is in it. Pictures bring no font along: one weighs 20 MB.

Where there is none, widths are estimated, which is enough for an SVG: its reader brings the font.
"""

import shutil
import subprocess
import unicodedata
from functools import cache
from pathlib import Path

KNOWN = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
    "C:/Windows/Fonts/simsun.ttc",
)
SAMPLE, NOBODYS = "微调", "\U0010fffd"
MOST_FACES = 10
NARROW = 0.56
"Width of an average Latin letter, in ems, where there is no font to ask."


@cache
def find() -> tuple[str, int] | None:
    """File and face of a font with Chinese characters, a sans of simplified Chinese before others; None where there is none."""
    for path in (*KNOWN, *_listed()):
        if Path(path).is_file() and (face := _face(path)) is not None:
            return path, face
    return None


def _listed() -> list[str]:
    """Return what fontconfig knows to have Chinese, sans before serif."""
    if shutil.which("fc-list") is None:
        return []
    command = ["fc-list", ":lang=zh-cn", "-f", "%{file}\n"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted(
        set(found.split("\n")) - {""}, key=lambda path: ("serif" in path.lower(), "bold" in path.lower(), path)
    )


def _face(path: str) -> int | None:
    """The face of a font file that has Chinese characters, the simplified one where there are several; None where none has."""
    found = [face for face in range(MOST_FACES) if _has_chinese(path, face)]
    return next((face for face in found if "SC" in load(path, face, 16).getname()[0]), found[0] if found else None)


def _has_chinese(path: str, face: int) -> bool:
    """Return whether the face draws Chinese characters as something other than the box for those it lacks."""
    try:
        font = load(path, face, 16)
        box, *drawn = (bytes(font.getmask(sign)) for sign in (NOBODYS, *SAMPLE))
    except OSError:
        return False
    return all(one and one != box for one in drawn)


@cache
def load(path: str, face: int, size: int):
    """The font in `size` pixels.

    Raises:
        OSError: the file is no font, or has no such face.
    """
    from PIL import ImageFont

    return ImageFont.truetype(path, size, index=face)


@cache
def has(sign: str) -> bool:
    """Return whether the font draws `sign` as something other than the box for those it lacks; it lacks emoji."""
    font = load(*find(), 16)
    return bytes(font.getmask(sign)) != bytes(font.getmask(NOBODYS))


def width(text: str, size: int) -> float:
    """Width of `text` in pixels: measured where there is a font, else estimated."""
    font = find()
    if font is not None:
        return load(*font, size).getlength(text)
    return size * sum(1.0 if unicodedata.east_asian_width(sign) in "WFA" else NARROW for sign in text)
