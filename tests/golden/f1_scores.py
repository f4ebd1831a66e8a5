"""Writes libs/train/quality/confusion_golden.h: F1 scores by scikit-learn.

    python tests/golden/f1_scores.py > libs/train/quality/confusion_golden.h     (needs: pip install scikit-learn)
    make format
"""
import random

from sklearn.metrics import f1_score

COUNT = 30


def cases():
    dice = random.Random(1)
    for options in (2, 2, 3, 3, 5, 64):
        labels = [dice.randrange(options) for _ in range(COUNT)]
        yield labels, [label if dice.random() < 0.6 else dice.randrange(options) for label in labels]
    yield [0] * COUNT, [0] * COUNT  # no option 1 anywhere
    yield [0] * COUNT, [1] * COUNT  # nothing right
    yield [1] * COUNT, [1] * COUNT


def row(numbers):
    return "{" + ", ".join(map(str, numbers)) + "}"


def main():
    print("/* Made by tests/golden/f1_scores.py with scikit-learn; do not edit. */")
    print("#ifndef SAM_TRAIN_CONFUSION_GOLDEN_H\n#define SAM_TRAIN_CONFUSION_GOLDEN_H\n\n#include <stdint.h>\n")
    print(f"static const struct {{\n    uint32_t labels[{COUNT}], answers[{COUNT}];\n    double f1_of_1, macro_f1;\n"
          "} GOLDEN_F1[] = {")
    for labels, answers in cases():
        of_one = f1_score(labels, answers, labels=[1], average="macro", zero_division=0)
        macro = f1_score(labels, answers, average="macro", zero_division=0)
        print(f"    {{{row(labels)},\n     {row(answers)},\n     {of_one:.17g}, {macro:.17g}}},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
