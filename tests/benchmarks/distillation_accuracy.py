"""What distillation gains in accuracy, by its kind and with few labels.

Run: `python tests/benchmarks/distillation_accuracy.py FILE [--seeds 0 1 2]
[--variants plain response ...]`, with `results/distillation_accuracy.jsonl` as FILE to
see what was measured. Student and training are those of
`recipes/distillation_fashion_mnist.py`, and so is the teacher: the file that a run of
it left in `stages/teacher_born_again_00_training`, kept in `results/` as it takes 52
minutes to make. A seed's student is trained from the same weights for as many steps in
every variant. `few_*` have the labels of a tenth of the images: `few_labels` trains
on those images alone, `few_response` on the same with the teacher, `few_unlabelled` on
all images with the teacher and no label.

Each result is a line of FILE (JSON), written as soon as it is there; the same command
goes on after a stop. Two commands of different seeds can share a file: two single cores
do more than two together. At the end: a table, what was promised, and exit code 1 if
that is not kept.
"""

import argparse
import itertools
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import tf_keras as keras

import tfcompress as tfc
from tfcompress.ingredients import build_model

RECIPE = Path(__file__).parents[2] / "recipes/distillation_fashion_mnist.py"
TEACHER = Path(__file__).parent / "results/distillation_teacher.keras"
# The student's maps of 7x7 and its last ones, 4x4; the teacher's last ones, 7x7.
STUDENT_MAP, LAST_MAP = "block04_pointwise_relu", "block07_pointwise_relu"
TEACHER_MAP = "stage3_block3_relu"
RESPONSE, HARD = (tfc.LogitDistillation(4.0), 0.9), 0.1
KINDS = {
    "plain": None,
    "response": (RESPONSE,),
    "decoupled": ((tfc.DecoupledDistillation(), 1.0),),
    "pearson": ((tfc.PearsonDistillation(), 2.0),),
    "feature": (RESPONSE, (tfc.FeatureDistillation(LAST_MAP, TEACHER_MAP), 3.0)),
    "attention": (RESPONSE, (tfc.AttentionTransfer(STUDENT_MAP, TEACHER_MAP), 10.0)),
    "relation": (
        RESPONSE,
        (tfc.RelationalDistillation("pool", "pool"), 5.0),
        (tfc.RelationalDistillation("pool", "pool", "angle"), 10.0),
    ),
}
FEW = ("few_labels", "few_response", "few_unlabelled")
LONGER = ("longer_plain", "longer_response")
# What a variant is compared with, if that is not `plain`.
BASES = dict.fromkeys(FEW, FEW[0]) | dict.fromkeys(LONGER, LONGER[0])
NUM_EPOCHS = 12


def top1(recipe, data, teacher, variant, folder, seed):
    """Returns the accuracy of the student, trained in one way."""
    stage = recipe.stages[0]
    losses, hard_weight, epochs = KINDS.get(variant, (RESPONSE,)), HARD, stage.epochs
    if variant not in LONGER:
        epochs = NUM_EPOCHS
        data = replace(data, augmentation=recipe.teachers["resnet20"].data.augmentation)
    taught = data
    if variant in ("few_labels", "few_response"):
        taught = data.limited(num_train=len(data.train) // 10)
        epochs *= 10  # as many steps
    if variant in ("few_labels", "longer_plain"):
        losses = None
    if variant == "few_unlabelled":
        losses, hard_weight = ((RESPONSE[0], 1.0),), 0.0
    objective = losses and tfc.Distillation(
        teacher, losses=losses, hard_weight=hard_weight
    )
    run = tfc.Run(data=taught, workdir=folder / f"seed_{seed}", seed=seed)
    keras.utils.set_random_seed(seed)
    student = build_model(recipe.model, data)
    stage = replace(stage, objective=objective, epochs=epochs)
    # One name, so one order of the images, for all variants.
    model = stage(student, run.for_stage("student"))
    return tfc.evaluate(model, data).top1


def table(rows, teacher):
    """Prints each variant beside its pair; returns the exit code."""
    found, gains, closed = {}, {}, {}
    for row in rows:
        found.setdefault(row["variant"], {})[row["seed"]] = row["top1"]
    print(f"teacher {teacher:.2%}")
    for variant, by_seed in found.items():
        text = f"{variant:15} top-1 {np.mean([*by_seed.values()]):.2%}"
        base = found.get(BASES.get(variant, "plain"), {})
        pairs = [(by_seed[seed], base[seed]) for seed in by_seed if seed in base]
        if pairs and by_seed is not base:
            gains[variant] = [ours - theirs for ours, theirs in pairs]
            closed[variant] = np.mean([(a - b) / (teacher - b) for a, b in pairs])
            low, mean, high = (
                100 * f(gains[variant]) for f in (np.min, np.mean, np.max)
            )
            text += f", gained {mean:+.2f} points ({low:+.2f} to {high:+.2f}), "
            text += f"{closed[variant]:.0%} of the gap to the teacher"
        print(f"{text}, {len(by_seed)} seeds")
    # What was not run is not kept.
    promises = {"the teacher has 94 %": teacher >= 0.94}
    for variant in ("response", "relation", "longer_response"):
        promises[f"{variant} is never 0.1 points below labels alone"] = (
            min(gains.get(variant, [-1])) >= -0.001
        )
        promises[f"{variant} closes 30 % of the gap"] = closed.get(variant, 0) >= 0.3
    promises["few_unlabelled is 2 points above few_labels"] = (
        np.mean(gains.get("few_unlabelled", [0])) >= 0.02
    )
    for promise, is_kept in promises.items():
        print(f"{'kept  ' if is_kept else 'MISSED'} {promise}")
    return int(not all(promises.values()))


def main():
    """Goes on with what is missing in the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=[*KINDS, *FEW, *LONGER])
    arguments = parser.parse_args()
    recipe = tfc.load_recipe(RECIPE)
    data, teacher = recipe.data.load(), tfc.load_model(TEACHER)
    lines = arguments.file.read_text().splitlines() if arguments.file.exists() else []
    rows = [json.loads(line) for line in lines]
    # One folder, as the variants share the teacher's cache.
    with tempfile.TemporaryDirectory() as folder:
        for seed, variant in itertools.product(arguments.seeds, arguments.variants):
            facts = {"seed": seed, "variant": variant}
            if any(facts.items() <= row.items() for row in rows):
                continue
            found = top1(recipe, data, teacher, variant, Path(folder), seed)
            rows.append(facts | {"top1": found})
            print(json.dumps(rows[-1]), flush=True)
            with arguments.file.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
    return table(rows, tfc.evaluate(teacher, data).top1)


if __name__ == "__main__":
    sys.exit(main())
