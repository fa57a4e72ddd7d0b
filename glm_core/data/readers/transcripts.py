"""A whole conversation in one text becomes messages: ChatML, Llama's [INST], ### Instruction, Human: and Assistant:.

Only texts that begin with such a mark are transcripts; anything else is plain text.
"""

import re

_CHATML = re.compile(r"<\|im_start\|>\s*(\w+)\s*\n(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL)
_HEADERS = re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>\s*(.*?)(?:<\|eot_id\|>|\Z)", re.DOTALL)
_INST = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=<s>|</s>|\[INST\]|\Z)", re.DOTALL)
_SYS = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_GEMMA = re.compile(r"<start_of_turn>\s*(\w+)\s*\n(.*?)(?:<end_of_turn>|(?=<start_of_turn>)|\Z)", re.DOTALL)
_PIPES = re.compile(
    r"<\|(system|user|assistant)\|>\s*(.*?)\s*(?:<\|end\|>|</s>|(?=<\|(?:system|user|assistant)\|>)|\Z)", re.DOTALL
)
_ROUND = re.compile(r"(?:^|\n)\s*\[Round \d+\]\s*\n+问[:：](.*?)\n+答[:：](.*?)(?=\n\s*\[Round \d+\]|\Z)", re.DOTALL)
_VICUNA = re.compile(r"(USER|ASSISTANT):\s*(.*?)\s*(?:</s>|(?=\s(?:USER|ASSISTANT):)|\Z)", re.DOTALL)
_MOSS = re.compile(
    r"(?:<\||\[)(human|moss|assistant|bot|ai)(?:\|>|\])\s*[:：]\s*(.*?)\s*(?:<eo[a-z]>|(?=(?:<\||\[)(?:human|moss|assistant|bot|ai)(?:\|>|\])\s*[:：])|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_NAMES = {
    "human": "user",
    "user": "user",
    "instruction": "user",
    "question": "user",
    "input": "input",
    "assistant": "assistant",
    "response": "assistant",
    "answer": "assistant",
    "output": "assistant",
    "bot": "assistant",
    "system": "system",
    "用户": "user",
    "助手": "assistant",
    "指令": "user",
    "输入": "input",
    "回答": "assistant",
    "回复": "assistant",
}
_NAME = "|".join(_NAMES)
_SHARP = re.compile(
    rf"(?:^|(?<=\s))#{{2,4}}\s*({_NAME})\s*[:：]?[ \t]*(?=\n|\Z)|#{{2,4}}\s*({_NAME})\s*[:：][ \t]*", re.IGNORECASE
)
_COLON = re.compile(r"(?:^|\n)\s*(human|user|assistant|system|用户|助手)\s*[:：]()[ \t]*", re.IGNORECASE)
_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "moss": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "system": "system",
}
_PREFACE = "Below is an instruction"
OPEN_END = re.compile(
    r"(?:^|\n)\s*(?:#{2,4}\s*)?(?:assistant|response|answer|bot|助手|回答)\s*[:：]\s*\Z|<\|im_start\|>\s*assistant\s*\Z|\[/INST\]\s*\Z",
    re.IGNORECASE,
)
"The end of a prompt that waits for the answer."


def transcript(text: str) -> list[dict]:
    """The messages of `text`; empty where it is no conversation that ends with an answer."""
    head = text[:400].lstrip()
    for mark, parse in _FORMATS:
        if mark(head):
            messages = parse(text)
            return messages if _is_conversation(messages) else []
    return []


def _is_conversation(messages: list[dict]) -> bool:
    turns = messages[1:] if messages and messages[0]["role"] == "system" else messages
    expected = ("user", "assistant")
    ordered = all(turn["role"] == expected[index % 2] for index, turn in enumerate(turns))
    return bool(turns) and len(turns) % 2 == 0 and ordered and all(turn["content"] for turn in messages)


def _blocks(pattern: re.Pattern) -> object:
    def parse(text: str) -> list[dict]:
        return [
            {"role": _ROLES.get(name.lower(), name.lower()), "content": content.strip()}
            for name, content in pattern.findall(text)
        ]

    return parse


def _instructions(text: str) -> list[dict]:
    messages: list[dict] = []
    for question, answer in _INST.findall(text):
        if system := _SYS.match(question):
            messages.append({"role": "system", "content": system[1].strip()})
            question = question[system.end() :]
        messages.append({"role": "user", "content": question.strip()})
        messages.append({"role": "assistant", "content": answer.strip()})
    return messages


def _marked(pattern: re.Pattern):
    def parse(text: str) -> list[dict]:
        marks = list(pattern.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        messages: list[dict] = []
        for mark, end in zip(marks, ends, strict=True):
            role, content = _NAMES[(mark[1] or mark[2]).lower()], text[mark.end() : end].strip()
            if role == "input" and messages:
                messages[-1]["content"] += f"\n{content}" if content else ""
            else:
                messages.append({"role": "user" if role == "input" else role, "content": content})
        return messages

    return parse


def _rounds(text: str) -> list[dict]:
    return [
        {"role": role, "content": content.strip()}
        for found in _ROUND.findall(text)
        for role, content in zip(("user", "assistant"), found, strict=True)
    ]


_FORMATS = (
    (lambda head: re.match(r"(?:<\|human\|>|\[human\])\s*[:：]", head, re.IGNORECASE), _blocks(_MOSS)),
    (lambda head: head.startswith("<start_of_turn>"), _blocks(_GEMMA)),
    (lambda head: re.match(r"<\|(system|user)\|>", head), _blocks(_PIPES)),
    (lambda head: re.match(r"\[Round \d+\]", head), _rounds),
    (lambda head: re.match(r"USER:|A chat between .{1,300}USER:", head, re.DOTALL), _blocks(_VICUNA)),
    (lambda head: head.startswith("<|im_start|>"), _blocks(_CHATML)),
    (lambda head: "<|start_header_id|>" in head, _blocks(_HEADERS)),
    (lambda head: "[INST]" in head and head.startswith(("<s>", "[INST]")), _instructions),
    (lambda head: _SHARP.match(head) or (head.startswith(_PREFACE) and _SHARP.search(head)), _marked(_SHARP)),
    (lambda head: _COLON.match(head) is not None, _marked(_COLON)),
)
