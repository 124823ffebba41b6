"""Zeros and shared weights through QAT: ours beside TF-MOT's own, from the same nets.

Run: `python tests/benchmarks/combinations.py FOLDER [--networks mobilenet_v2 ...]
[--data=fashion_mnist]`, with `results` as FOLDER to see what was measured. A network,
that of `recipes/NETWORK_fashion_mnist.py`, is trained, pruned to 80 %, clustered to 16
values, and pruned, then clustered, once, each taught by the ResNet-20 that is kept in
`results`; from each of the last three QAT goes on: PQAT, CQAT, PCQAT. `ours` and
`theirs` are one epoch on labels alone, `taught` is ours as it is best used, two epochs
with the teacher. `int8` is our export without any training. What a file keeps is
counted in the file, layer by layer, against the model that QAT began with; a layer that
is not found in it counts as lost.

Each result is a line of `FOLDER/combinations.jsonl`, written as soon as it is there;
the same command goes on after a stop. At the end: the table as Markdown, and exit code
1 if a file of ours lost something, or more than 0.5 points, or if slimming changed the
answer to a test image.
"""

import argparse
import gzip
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
)

import tfcompress as tfc
from tfcompress.export.slimming import slim
from tfcompress.ingredients import build_model
from tfcompress.quality.accuracy import predict
from tfcompress.quantization.kept_weights import kept_weights

MAX_DROP = 0.005
RECIPES = Path(__file__).parents[2] / "recipes"
TEACHER = Path(__file__).parent / "results/distillation_teacher.keras"
TAUGHT = tfc.Distillation(str(TEACHER), temperature=4.0, alpha=0.9)
TRAINING = tfc.Training(
    epochs=8,
    optimizer="sgd",
    learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
    objective=TAUGHT,
)
PRUNING = tfc.Pruning(
    final_sparsity=0.8,
    epochs=12,
    end_fraction=0.35,
    optimizer="sgd",
    learning_rate=tfc.CosineDecay(0.05, final_fraction=0.01),
    objective=TAUGHT,
)
CLUSTERING = tfc.Clustering(
    num_clusters=16, epochs=2, learning_rate=tfc.CosineDecay(3e-4), objective=TAUGHT
)
NoOpQuantizeConfig = default_8bit_quantize_configs.NoOpQuantizeConfig
RATE, BATCH_SIZE = 1e-4, 128
PLAIN = tfc.QuantizationAware(epochs=1, learning_rate=RATE, batch_size=BATCH_SIZE)
WITH_TEACHER = tfc.QuantizationAware(
    epochs=2, learning_rate=tfc.CosineDecay(3e-4), objective=TAUGHT
)
BASES = {"PQAT": (PRUNING,), "CQAT": (CLUSTERING,), "PCQAT": (PRUNING, CLUSTERING)}
SCHEMES = {
    "PQAT": tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme,
    "CQAT": lambda: tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(
        preserve_sparsity=False
    ),
    "PCQAT": lambda: (
        tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(
            preserve_sparsity=True
        )
    ),
}


def base_of(kind, model, run):
    """Returns the model that QAT begins with, made once for all that share it."""
    done = []
    for stage in BASES[kind]:
        done.append(type(stage).__name__.lower())
        path = run.workdir / f"{'_'.join(done)}.keras"
        if not path.exists():
            tfc.save_model(stage(model, run.for_stage("_".join(done))), path)
        model = tfc.load_model(path)
    return model


def trained_network(network, run):
    """Returns it, made once."""
    path = run.workdir / "training.keras"
    if not path.exists():
        keras.utils.set_random_seed(run.seed)
        recipe = tfc.load_recipe(RECIPES / f"{network}_fashion_mnist.py")
        model = build_model(recipe.model, run.data)
        tfc.save_model(TRAINING(model, run.for_stage("training")), path)
    return tfc.load_model(path)


def ours(kind, model, run, path, stage=PLAIN):
    """Writes our file after QAT, its names still in it."""
    trained = stage(model, run.for_stage(f"ours_{kind}"))
    tfc.export_tflite(trained, path, slim=False)


def taught(kind, model, run, path):
    """As `ours`, with the teacher."""
    ours(f"{kind}_taught", model, run, path, WITH_TEACHER)


def theirs(kind, model, run, path):
    """Writes the file of TF-MOT's own code after one epoch of QAT."""
    quantization, foreign = tfmot.quantization.keras, {}

    def annotate(layer):
        # What its user would write for a layer without weights that it does not know.
        config = None
        if type(layer).__module__.startswith("tfcompress"):
            foreign[type(layer).__name__], config = type(layer), NoOpQuantizeConfig()
        return quantization.quantize_annotate_layer(layer, config)

    with keras.utils.custom_object_scope({"NoOpQuantizeConfig": NoOpQuantizeConfig}):
        annotated = keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        with keras.utils.custom_object_scope(foreign):
            trained = quantization.quantize_apply(annotated, SCHEMES[kind]())
    trained.compile(
        keras.optimizers.Adam(RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    batches = run.data.train_batches(BATCH_SIZE, run.seed)
    steps = run.data.steps_per_epoch(BATCH_SIZE)
    trained.fit(batches, steps_per_epoch=steps, verbose=0)
    converter = tf.lite.TFLiteConverter.from_keras_model(trained)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def lost_layers(base, path):
    """Returns the names of the layers of which the file has lost something."""
    kernels = {
        kernel.layer.removeprefix("quant_"): kernel
        for kernel in tfc.audit_tflite(path).kernels
    }
    return [
        name
        for name, kept in kept_weights(base).items()
        if name not in kernels or kept.lost(kernels[name].counts)
    ]


def combined(who, kind, model, run, path):
    """Returns what one way leaves, and what TF-MOT says where it cannot."""
    base = base_of(kind, model, run)
    try:
        who(kind, base, run, path)
    except Exception as error:
        if who is not theirs:
            raise
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    lost = lost_layers(base, path)
    if who is not theirs:
        path.write_bytes(slim(path.read_bytes()))
    return measured(path, run.data) | {"kept_of": len(kept_weights(base)), "lost": lost}


def measured(path, data):
    """Returns the bytes and the accuracy of a file."""
    content = path.read_bytes()
    return {
        "top1": tfc.evaluate(path, data).top1,
        "size_bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
    }


def exported(model, run, path, quantization):
    """Returns what an export without training leaves, of int8 before slimming, too."""
    tfc.export_tflite(model, path, run.data, quantization, slim=False)
    if quantization == "float32":
        return measured(path, run.data)
    whole = predict(path, run.data)
    path.write_bytes(slim(path.read_bytes()))
    changed = np.any(predict(path, run.data) != whole, axis=1)
    return measured(path, run.data) | {"changed_by_slimming": int(changed.sum())}


def variants(model, run, path):
    """Returns, by name, the functions that measure each variant."""
    found = {
        name: partial(exported, model, run, path, name) for name in ("float32", "int8")
    }
    for kind in BASES:
        for who in (ours, taught, theirs):
            name = f"{kind} {who.__name__}"
            found[name] = partial(combined, who, kind, model, run, path)
    return found


def table(rows):
    """Prints all rows as Markdown; returns the exit code."""
    head = "network | variant | top-1 | bytes | gzip -9 | layers with lost values"
    print(f"| {head} |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    is_kept = True
    floats = {row["network"]: row for row in rows if row["variant"] == "float32"}
    for row in rows:
        print(f"| {row['network']} | {row['variant']} ", end="")
        if "refused" in row:
            print(f"| {row['refused']} | | | |")
            continue
        lost = f"{len(row['lost'])} of {row['kept_of']}" if "lost" in row else ""
        print(f"| {row['top1']:.2%} | {row['size_bytes']:,} ", end="")
        print(f"| {row['gzip_bytes']:,} | {lost} |")
        is_kept = is_kept and not row.get("changed_by_slimming")
        if row["variant"].endswith(("ours", "taught")):
            drop = floats[row["network"]]["top1"] - row["top1"]
            is_kept = is_kept and not row["lost"] and drop <= MAX_DROP
    return int(not is_kept)


def main():
    """Goes on with what is missing; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", nargs="*", default=[])
    parser.add_argument("--data", default="fashion_mnist")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    file = arguments.folder / "combinations.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    rows = [json.loads(line) for line in lines]
    augmentation = tfc.Augmentation(shift=1, horizontal_flip=True)
    for network in arguments.networks:
        data = tfc.data.load(arguments.data, augmentation=augmentation)
        workdir = arguments.folder / network
        run = tfc.Run(data=data, workdir=workdir, progress=tfc.Progress())
        workdir.mkdir(exist_ok=True)
        model = trained_network(network, run)
        for name, measure in variants(model, run, workdir / "model.tflite").items():
            facts = {"network": network, "variant": name}
            if any(facts.items() <= row.items() for row in rows):
                continue
            rows.append(facts | measure())
            print(json.dumps(rows[-1]), flush=True)
            with file.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
    return table(rows)


if __name__ == "__main__":
    sys.exit(main())
