"""The model card: where the model comes from, what it scored on wordings it never saw, what it cannot do."""

import argparse
from pathlib import Path

import torch

from recipe.evaluate import SkillScore
from recipe.recipes import count_parameters

TEMPLATE = """---
license: mit
language: zh
---
# {name}

从零训练的小模型，{title} 结构，{parameters:,} 个参数（float16 存盘）。它随 easyAIGC 一起分发，让没有显卡、没有网络的机器也能走完“数据、训练、对比、聊天”的全过程。
它很小，只懂自己的小世界：问候、自我介绍、记住对话里的名字和数字、百以内加减、首都、反义词、颜色、星期、好评差评、电影音乐旅行美食的闲聊，以及把 `类型#上衣*材质#牛仔布…` 念成属性清单。
超出这个世界的问题，它用一句话说不知道。**不要把它当知识来源，也不要用于任何决策。**

## 训练

| | |
|---|---|
| 语料 | `recipe/corpus` 的语法生成器，种子 {seed}，{rows:,} 条对话{dialogues} |
| 步数 | {steps:,} 次更新，共 {tokens:,.0f} 万个 token（含填充），{seconds:.0f} 秒，{device} |
| 优化 | AdamW，峰值学习率 {learning_rate}，余弦下降，bfloat16 混合精度 |
| 最后的训练损失 | {loss:.4f} |
| 重做 | `python -m recipe.train {name}{command}` |

![训练损失](loss.svg)

## 留出题得分

每项用训练中从未出现的问法出题，贪心解码，由生成器自己的判分函数判对错。

{scores}

## 答对与答错的例子

{examples}

## 许可与致谢

权重与生成的语料：MIT。{credit}

---
In English: a {parameters:,}-parameter model with the structure of {title}, trained from scratch on a synthetic Chinese corpus made by the generator in `recipe`. It knows
greetings, who it is, names and numbers given earlier in the chat, sums within a hundred, capitals, antonyms, colours, weekdays, reviews, small talk, and attribute lists,
and says that it does not know the rest. The table above holds its scores on wordings that it never saw. Not a source of facts.
"""
CREDIT = (
    "另混入自然对话里的问句（用来学会说不知道）：KdConv（Zhou 等，ACL 2020）与 CrossWOZ（Zhu 等，TACL 2020）公开仓库中的对话，均为 Apache-2.0；"
    "原始行不随本项目分发。 Questions from the conversations of KdConv and CrossWOZ (both Apache-2.0) were mixed in, to learn what is"
    " unknown; their rows are not part of this project."
)


SKILLS = {
    "greeting": "问候",
    "identity": "身份",
    "persona": "扮演",
    "memory": "记住对话",
    "unknown": "说不知道",
    "feelings": "心情",
    "echo": "复述",
    "mixed": "多轮混合",
    "arithmetic": "加减",
    "capitals": "首都",
    "antonyms": "反义词",
    "colours": "颜色",
    "weekdays": "星期月份",
    "reviews": "评价",
    "attributes": "属性清单",
    "talk": "影音旅食",
    "everyday": "日常",
}


def table(scores: list[SkillScore]) -> str:
    """The held-out scores as a Markdown table."""
    lines = ["| 技能 | 答对 | 题数 | 得分 |", "|---|---|---|---|"]
    lines += [f"| {SKILLS[s.skill]} | {s.right} | {s.total} | {s.right / s.total:.1%} |" for s in scores]
    right, total = sum(s.right for s in scores), sum(s.total for s in scores)
    return "\n".join([*lines, f"| 合计 | {right} | {total} | {right / total:.1%} |"])


def examples(scores: list[SkillScore], good: int = 1, bad: int = 2) -> str:
    """Per skill the first right and the first wrong answers, as a Markdown table."""
    lines = ["| 技能 | 问 | 答 | |", "|---|---|---|---|"]
    for s in scores:
        chosen = [e for e in s.examples if e[2]][:good] + [e for e in s.examples if not e[2]][:bad]
        lines += [f"| {SKILLS[s.skill]} | {cell(q)} | {cell(a)} | {'对' if ok else '错'} |" for q, a, ok in chosen]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return text.replace("\n", " ").replace("|", "\\|")


def loss_picture(points: list[tuple[int, float]], width: int = 640, height: int = 240) -> str:
    """The training loss over steps as an SVG, logarithmic in the loss."""
    logs = torch.tensor([loss for _, loss in points]).clamp_min(1e-3).log10()
    low, high = logs.min().item(), logs.max().item()
    x = [40 + (width - 60) * step / points[-1][0] for step, _ in points]
    y = [20 + (height - 50) * (high - value) / max(high - low, 1e-6) for value in logs.tolist()]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="#FBFAF7"/><polyline fill="none" stroke="#1F7A63" stroke-width="1.5" points="{line}"/>'
        f'<text x="40" y="14">loss {10**high:.2f}</text><text x="{width - 20}" y="{height - 34}" text-anchor="end">{10**low:.3f}</text>'
        f'<text x="{width - 20}" y="{height - 8}" text-anchor="end">{points[-1][0]:,} steps</text></svg>\n'
    )


def write(
    out: Path, recipe, curve, scores: list[SkillScore], *, rows: int, device: str, arguments: argparse.Namespace
) -> None:
    """README.md and loss.svg beside the weights."""
    (out / "loss.svg").write_text(loss_picture(curve.points), encoding="utf-8")
    text = TEMPLATE.format(
        name=arguments.model,
        title=recipe.title,
        parameters=count_parameters(out),
        seed=arguments.seed,
        rows=rows,
        dialogues="，混入少量自然对话的问句" if arguments.dialogues else "",
        steps=curve.steps,
        tokens=curve.tokens / 1e4,
        seconds=curve.seconds,
        device=device,
        learning_rate=arguments.learning_rate,
        loss=curve.points[-1][1],
        scores=table(scores),
        examples=examples(scores),
        credit=CREDIT if arguments.dialogues else "",
        command=" --dialogues dialogues.jsonl" if arguments.dialogues else "",
    )
    (out / "README.md").write_text(text, encoding="utf-8")
