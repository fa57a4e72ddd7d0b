"""Pictures, voice and films of which a text keeps only the mark: [图片], <Media omitted>, ![](photo.png), <image>.

Nothing here sees them, so an answer to one must not be learned from the words beside it.
"""

import re

_WHOLE = re.compile(
    r"[\[【<](?:图片|照片|相片|语音|语音消息|视频|视频消息|动画表情|表情包|表情|文件|名片|位置|photo|image|picture|voice|voice message|video"
    r"|audio|sticker|gif|file|attachment|image attached|animation|video_file|voice_message|video_message)"
    r"(?:[:：]\s?[^\]】>\n]{0,200})?[\]】>]|<media omitted>|<媒体已省略>|‎?(?:image|video|audio|sticker|gif|document) omitted"
    r"|\S{1,80} \(file attached\)|\[CQ:(?:image|record|video)[^\]\n]*\]",
    re.IGNORECASE,
)
_PART = re.compile(
    r"[\[【](?:图片|照片|语音|视频|动画表情)[\]】]|<(?:image|audio|video)>|\[CQ:(?:image|record|video)[^\]\n]*\]"
    r"|!\[[^\]\n]{0,200}\]\((?:data:image|[^)\s]{0,400}\.(?:png|jpe?g|gif|webp|svg|bmp|tiff?))[^)\n]{0,400}\)",
    re.IGNORECASE,
)
_FIRST = ("[", "【", "<", "omitted", "attached")


def is_media(text: str) -> bool:
    """Return whether `text` is nothing but such marks, a line each."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return bool(lines) and all(_WHOLE.fullmatch(line) or _PART.fullmatch(line) for line in lines)


def shows_media(text: str) -> bool:
    """Return whether a line of `text` begins or ends with such a mark, or is one."""
    if not any(one in text for one in _FIRST):
        return False
    for line in text.split("\n"):
        bare = line.strip()
        if _WHOLE.fullmatch(bare) or _PART.match(bare):
            return True
        if any(mark.end() == len(bare) for mark in _PART.finditer(bare)):
            return True
    return False


def unlearned(messages: list[dict]) -> tuple[list[dict], int]:
    """`messages`, those answers not to be learned that follow such a mark or are one, and how many those are."""
    if not any(mark in message["content"] for message in messages for mark in _FIRST):
        return messages, 0
    found, count, seen = [], 0, False
    for message in messages:
        if message["role"] == "assistant":
            if message.get("learn", True) and not message.get("tool_calls") and (seen or is_media(message["content"])):
                message, count = {**message, "learn": False}, count + 1
            seen = False
        elif message["role"] == "user":
            seen = seen or shows_media(message["content"])
        found.append(message)
    return (found, count) if count else (messages, 0)
