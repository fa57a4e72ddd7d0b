"""Write the generated data sets; the same files for the same code."""

import argparse
import json
from pathlib import Path

from recipe.datasets import advertisement, appliance

FOLDER = Path(__file__).parents[2] / "assets" / "datasets"


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """One JSON object a line, in UTF-8."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{path.name}: {len(rows)} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write into")
    folder = parser.parse_args().out
    write(folder / "advertisement.jsonl", advertisement.rows(2400, seed=1, held_out=False))
    write(folder / "advertisement-dev.jsonl", advertisement.rows(160, seed=1, held_out=True))
    write(folder / "appliance.jsonl", appliance.rows())
    write(folder / "appliance-dev.jsonl", appliance.development_rows(80, seed=1))


if __name__ == "__main__":
    main()
