"""Text of a conversation by family: prompts, training examples with labels, and the tidying of answers.

Follows the published chat and fine-tuning code of each model. Messages are {"role": "user" | "assistant" | "system",
"content": str}. Not here: which family a checkpoint belongs to (registry.py).
"""

import re
from collections.abc import Callable
from functools import partial

from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.models.tool_messages import METADATA

IGNORED = -100
Example = tuple[list[int], list[int], bool]

_FULL_WIDTH = str.maketrans(",!:;?", "，！：；？")
_BESIDE_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff])[,!:;?]|[,!:;?](?=[\u4e00-\u9fff])")


def split_rounds(messages: list[dict]) -> tuple[list[tuple[str, str]], str]:
    """Finished (question, answer) rounds and the open question; a system message becomes the head of its question."""
    rounds: list[tuple[str, str]] = []
    question: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            rounds.append(("\n".join(question), message["content"]))
            question = []
        else:
            question.append(message["content"])
    return rounds, "\n".join(question)


def chatglm_text(rounds: list[tuple[str, str]], question: str) -> str:
    """ChatGLM-6B: the bare question, or numbered rounds from 0 once there is a history."""
    if not rounds:
        return question
    past = "".join(f"[Round {number}]\n问：{asked}\n答：{answer}\n" for number, (asked, answer) in enumerate(rounds))
    return f"{past}[Round {len(rounds)}]\n问：{question}\n答："


def chatglm2_text(rounds: list[tuple[str, str]], question: str) -> str:
    """ChatGLM2-6B: numbered rounds from 1, always."""
    turns = [*rounds, (question, "")]
    return "\n\n".join(
        f"[Round {number}]\n\n问：{asked}\n\n答：{answer}" for number, (asked, answer) in enumerate(turns, 1)
    )


def human_text(rounds: list[tuple[str, str]], question: str) -> str:
    """BLOOM after BELLE's instruction tuning."""
    turns = [*rounds, (question, "")]
    return "\n\n".join(f"Human: \n{asked}\n\nAssistant: \n{answer}" for asked, answer in turns)


def plain_text(rounds: list[tuple[str, str]], question: str) -> str:
    """BLOOMZ, tuned on bare tasks: a line end shows where the input stops."""
    return "".join(f"{asked}\n{answer}\n" for asked, answer in rounds) + f"{question}\n"


def medical_text(rounds: list[tuple[str, str]], question: str) -> str:
    """BLOOM after Huatuo's medical tuning."""
    turns = [*rounds, (question, "")]
    task = "下面是一个问题，运用医学知识来正确回答提问.\n"
    return task + "\n".join(f"### 问题:\n{asked}\n### 回答:\n{answer}" for asked, answer in turns)


def encode_text(compose: Callable, frame: Callable, tokenizer: Tokenizer, messages: list[dict]) -> list[int]:
    """Prompt of a family that writes the conversation as one text (`compose`) between control tokens (`frame`)."""
    return frame(tokenizer, tokenizer.encode(compose(*split_rounds(messages))))


def encode_text_example(
    compose: Callable,
    frame: Callable,
    limits: Callable,
    tokenizer: Tokenizer,
    messages: list[dict],
    max_source: int,
    max_target: int,
) -> Example:
    """Prompt and last answer of a family that writes the conversation as one text.

    The oldest rounds are left out while the prompt is too long. What still does not fit is cut as the published
    fine-tuning code cuts it.

    Args:
        limits: (ids, max_source, max_target) -> how many ids of the prompt and of the answer fit.
    """
    rounds, question = split_rounds(messages[:-1])
    source_limit, target_limit = limits(max_source, max_target)
    source, cut = tokenizer.encode(compose(rounds, question)), False
    while len(source) > source_limit and rounds:
        rounds, cut = rounds[1:], True
        source = tokenizer.encode(compose(rounds, question))
    target = tokenizer.encode(messages[-1]["content"])
    cut = cut or len(source) > source_limit or len(target) > target_limit
    prompt = frame(tokenizer, source[:source_limit])
    answer = [*target[:target_limit], tokenizer.eos_token_id]
    return prompt + answer, [IGNORED] * len(prompt) + answer, cut


def frame_chatglm(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """text [gMASK] <sop>."""
    return [*ids, tokenizer.gmask_token_id, tokenizer.bos_token_id]


def frame_chatglm2(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """[gMASK] sop text."""
    return [tokenizer.gmask_token_id, tokenizer.bos_token_id, *ids]


def frame_nothing(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """The text alone."""
    return ids


def encode_chatglm_example(tokenizer: Tokenizer, messages: list[dict], max_source: int, max_target: int) -> Example:
    """ChatGLM-6B: <sop> is a label too, as in the published code (it is predicted at [gMASK])."""
    ids, labels, cut = encode_text_example(
        chatglm_text,
        frame_chatglm,
        lambda source, target: (max(source - 1, 0), max(target - 2, 0)),
        tokenizer,
        messages,
        max_source,
        max_target,
    )
    start = labels.index(next(label for label in labels if label != IGNORED)) - 1
    labels[start] = ids[start]
    return ids, labels, cut


def encode_roles(tokenizer: Tokenizer, messages: list[dict]) -> list[int]:
    """ChatGLM3 and GLM-4: [gMASK] sop, then role, line end and content of each message; the answer follows its role."""
    ids = frame_chatglm2(tokenizer, [])
    for message in messages:
        ids += encode_turn(tokenizer, message)
    return [*ids, tokenizer.controls["<|assistant|>"]]


def encode_turn(tokenizer: Tokenizer, message: dict) -> list[int]:
    """One message: its role token, the function that it calls, a line end, its content."""
    role = tokenizer.controls[f"<|{message['role']}|>"]
    return [role, *tokenizer.encode(f"{message.get(METADATA, '')}\n"), *tokenizer.encode(message["content"])]


def encode_roles_example(tokenizer: Tokenizer, messages: list[dict], max_source: int, max_target: int) -> Example:
    """ChatGLM3 and GLM-4: every answer is a target, and so is the token after it, which tells the model to stop.

    An answer with "learn": False is no target.

    As in the published code the role token of an answer is no label, the next role or the final end token is.
    """
    ids, learned = frame_chatglm2(tokenizer, []), [False, False]
    for message in messages:
        turn = encode_turn(tokenizer, message)
        ids += turn
        learned += [message["role"] == "assistant" and message.get("learn", True)] * len(turn)
    ids.append(tokenizer.eos_token_id)
    labels = [token if learn else IGNORED for token, learn in zip(ids, [False, *learned], strict=True)]
    longest = max_source + max_target + 1
    return ids[:longest], labels[:longest], len(ids) > longest


def with_system(system: str) -> tuple[Callable, Callable]:
    """`encode_prompt` and `encode_example` of a family of roles that was always told `system`, unless a row says otherwise."""

    def told(messages: list[dict]) -> list[dict]:
        own = bool(messages) and messages[0]["role"] == "system"
        return messages if own else [{"role": "system", "content": system}, *messages]

    def prompt(tokenizer: Tokenizer, messages: list[dict]) -> list[int]:
        return encode_roles(tokenizer, told(messages))

    def example(tokenizer: Tokenizer, messages: list[dict], max_source: int, max_target: int) -> Example:
        return encode_roles_example(tokenizer, told(messages), max_source, max_target)

    return prompt, example


def clean_chatglm(text: str) -> str:
    """ChatGLM-6B: full-width punctuation beside Chinese characters."""
    return _BESIDE_CHINESE.sub(lambda mark: mark[0].translate(_FULL_WIDTH), clean(text))


def clean(text: str) -> str:
    """Strip the ends; the published models write a placeholder for the year of their training."""
    return text.strip().replace("[[训练时间]]", "2023年")


def text_family(compose: Callable, frame: Callable, limits: Callable) -> tuple[Callable, Callable]:
    """`encode_prompt` and `encode_example` of a family that writes the conversation as one text."""
    return partial(encode_text, compose, frame), partial(encode_text_example, compose, frame, limits)
