"""Show what the corpus holds: ``python -m recipe.corpus --count 200000`` counts it by skill and prints examples."""

import argparse
from collections import defaultdict

from recipe.corpus import SKILLS, check, samples


def main() -> None:
    """Print a table of samples, distinct dialogues, distinct questions and mean answer length; then some examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="samples to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="draw from the held-out wordings")
    parser.add_argument("--skill", action="append", choices=list(SKILLS), help="only this skill (may be repeated)")
    parser.add_argument("--examples", type=int, default=3, help="dialogues to print for each skill")
    options = parser.parse_args()
    names = options.skill or list(SKILLS)
    print_table(options.seed, options.count, options.held_out, names, options.examples)


def print_table(seed: int, count: int, held_out: bool, names: list[str], examples: int) -> None:
    """Draw, count and show."""
    total, characters = defaultdict(int), defaultdict(int)
    dialogues, questions, shown = defaultdict(set), defaultdict(set), defaultdict(list)
    wrong = 0
    for sample in samples(seed, count, held_out, names):
        name, text = sample.skill, "\n".join(message["content"] for message in sample.messages)
        total[name] += 1
        characters[name] += len(sample.answer)
        dialogues[name].add(hash(text))
        questions[name].add(hash(sample.question))
        wrong += not check(sample, sample.answer)
        if len(shown[name]) < examples:
            shown[name].append(sample)
    print(f"{'skill':12}{'samples':>10}{'distinct':>10}{'questions':>11}{'answer':>8}")
    for name in names:
        mean = characters[name] / max(total[name], 1)
        print(f"{name:12}{total[name]:10}{len(dialogues[name]):10}{len(questions[name]):11}{mean:8.1f}")
    distinct = sum(len(found) for found in dialogues.values())
    print(f"{'all':12}{sum(total.values()):10}{distinct:10}   rejected by their own check: {wrong}")
    for name in names:
        for sample in shown[name]:
            marks = {"user": "问：", "assistant": "答："}
            turns = [marks[message["role"]] + message["content"] for message in sample.messages]
            print(f"\n[{name}]", *turns, sep="\n")


if __name__ == "__main__":
    main()
