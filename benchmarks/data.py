"""Time that 115,000 advertisement rows (55 MB) take: read, validated and counted, in every format.

    python -m benchmarks.data [--rows 115000] [--source train.jsonl] [--model assets/models/chatglm-demo] [--large 1000000]

The rows are drawn from a small generator, or repeated with changes from `--source` (AdvertiseGen as published). They are
also exported to Excel, and with `--model` turned into tokens. `--large` reads and counts that many rows of one jsonl file (a million:
500 MB) and nothing else. Prints seconds, rows a second and peak memory for each.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from glm_core import data
from glm_core.data.analysis import statistics

LIMIT_SECONDS = 10.0
LARGE_BYTES = 2_000_000_000
_KINDS = ("裤", "裙", "上衣", "外套", "卫衣", "衬衫")
_TRAITS = {
    "材质": ("棉", "牛仔布", "雪纺", "针织", "羊毛"),
    "颜色": ("白色", "黑色", "粉红色", "藏青色", "卡其色"),
    "风格": ("简约", "复古", "休闲", "文艺", "街头"),
    "图案": ("刺绣", "条纹", "撞色", "字母", "印花"),
    "版型": ("宽松", "修身", "显瘦", "直筒"),
}
_PHRASES = (
    "利落的剪裁勾勒出流畅的线条，",
    "柔软的面料贴合肌肤，穿着舒适透气，",
    "细节处的设计让整体更有层次，",
    "走起路来带着几分随性，",
    "日常通勤或周末出游都能轻松驾驭，",
    "恰到好处的长度修饰身形，",
    "清新的配色让人眼前一亮，",
    "耐看的轮廓经得起时间考验，",
)


def generated(count: int) -> list[dict]:
    """`count` rows of attributes and advertisement of about 480 bytes each, the size of AdvertiseGen's."""
    draw = random.Random(0)
    rows = []
    for number in range(count):
        kind = draw.choice(_KINDS)
        traits = [(name, draw.choice(values)) for name, values in draw.sample(sorted(_TRAITS.items()), 4)]
        content = "*".join([f"类型#{kind}"] + [f"{name}#{value}" for name, value in traits])
        words = "".join(draw.choices(_PHRASES, k=8))
        rows.append({"content": content, "summary": f"这款{traits[0][1]}的{kind}，{words}第{number}款，值得拥有。"})
    return rows


def repeated(source: Path, count: int) -> list[dict]:
    """`count` rows from a file, each repetition with its number so that none equals another."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    return [
        {**rows[index % len(rows)], "content": f"{rows[index % len(rows)]['content']}*款式#{index}"}
        for index in range(count)
    ]


def files(rows: list[dict]) -> dict[str, bytes]:
    """The same rows in every format: name -> content."""
    import pandas

    frame, table = pandas.DataFrame(rows), io.BytesIO()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    frame.to_excel(table, index=False)
    return {
        "rows.jsonl": lines.encode(),
        "rows-gbk.jsonl": lines.encode("gb18030"),
        "rows.json": json.dumps(rows, ensure_ascii=False, indent=1).encode(),
        "rows.csv": frame.to_csv(index=False).encode(),
        "rows.parquet": parquet.getvalue(),
        "rows.xlsx": table.getvalue(),
    }


def work(content: bytes, name: str) -> tuple[float, float, int]:
    """Seconds to read and validate, seconds to count, and rows read."""
    start = time.perf_counter()
    result = data.read_bytes(content, name, progress=lambda stage, fraction: None)
    read = time.perf_counter()
    counts = statistics(result.examples)
    if counts.rows != len(result.examples) or result.problems:
        raise SystemExit(f"{name}: {len(result.problems)} unexpected problems")
    return read - start, time.perf_counter() - read, counts.rows


def apart(job: Callable, *arguments):
    """Run `job` in a process of its own, so that its peak memory is its own; adds that peak in bytes."""
    with get_context("spawn").Pool(1) as pool:
        result = pool.apply(job, arguments)
        return result, pool.apply(peak)


def peak() -> int:
    """The largest memory of this process. Not ru_maxrss: a child inherits its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def encode(content: bytes, model: str) -> tuple[float, int]:
    """Seconds to turn all rows into tokens with the tokenizer of `model`, and the number of tokens."""
    from glm_core import models
    from glm_core.data.tokenize import encode as to_tokens

    examples = data.read_bytes(content, "rows.jsonl").examples
    parts = (models.load_tokenizer(model), models.describe(model).family)
    start = time.perf_counter()
    encoded = to_tokens(examples, parts, 64, 64)
    return time.perf_counter() - start, sum(len(row.input_ids) for row in encoded)


def export(content: bytes) -> tuple[float, int]:
    """Seconds to write all rows as an Excel file, what the data page does in the background, and its bytes."""
    from glm_core.data.export import write_xlsx

    examples, target = data.read_bytes(content, "rows.jsonl").examples, io.BytesIO()
    start = time.perf_counter()
    write_xlsx(examples, target, lambda fraction: None)
    return time.perf_counter() - start, len(target.getvalue())


def large(count: int) -> tuple[float, float, float, int]:
    """Write `count` rows into a temporary jsonl file; its megabytes, seconds to read and to count it, rows read."""
    with tempfile.TemporaryDirectory() as folder:
        path, rows = Path(folder) / "large.jsonl", generated(20_000)
        with path.open("w", encoding="utf-8") as file:
            for number in range(count):
                row = rows[number % len(rows)]
                row = {**row, "content": f"{row['content']}*款式#{number}"}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        start = time.perf_counter()
        result = data.read(path)
        read = time.perf_counter()
        counts = statistics(result.examples)
        return path.stat().st_size / 1e6, read - start, time.perf_counter() - read, counts.rows


def line(name: str, megabytes: float, read: float, count: float, rows: int, memory: int, verdict: str) -> str:
    """One line of the table."""
    speed = rows / (read + count)
    return f"{name:<16}{megabytes:>7.1f}{read:>9.2f}{count:>9.2f}{speed:>10,.0f}{memory / 1e6:>9.0f}  {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=115_000)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--large", type=int, default=0, metavar="ROWS")
    options = parser.parse_args()
    if options.large:
        (megabytes, read, count, found), memory = apart(large, options.large)
        verdict = "ok" if memory < LARGE_BYTES and found == options.large else "too much memory"
        print(line("large.jsonl", megabytes, read, count, found, memory, verdict))
        return
    rows = repeated(options.source, options.rows) if options.source else generated(options.rows)
    print(f"{'file':<16}{'MB':>7}{'read s':>9}{'count s':>9}{'rows/s':>10}{'peak MB':>9}  limit {LIMIT_SECONDS:.0f} s")
    kept = files(rows)
    for name, content in kept.items():
        (read, count, found), memory = apart(work, content, name)
        verdict = "ok" if read + count < LIMIT_SECONDS else "slow"
        print(line(name, len(content) / 1e6, read, count, found, memory, verdict))
    (seconds, size), memory = apart(export, kept["rows.jsonl"])
    print(line("to rows.xlsx", size / 1e6, seconds, 0.0, len(rows), memory, "in the background"))
    if options.model:
        content = kept["rows.jsonl"]
        (seconds, tokens), memory = apart(encode, content, options.model)
        print(line("into tokens", len(content) / 1e6, seconds, 0.0, len(rows), memory, f"{tokens:,} tokens"))


if __name__ == "__main__":
    main()
