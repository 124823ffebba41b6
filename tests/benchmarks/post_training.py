"""What int8 without training costs in accuracy, by calibration, beside the converter's.

Run: `python tests/benchmarks/post_training.py MODEL.keras ... [--data=fashion_mnist]
[--num_images=256]`. Each model is trained and gives logits. `plain converter` is
`tf.lite.TFLiteConverter` with as many of the same images as representative data set and
int8 input and output; the others are `export_tflite` with one setting of `Calibration`
each. Accuracy is of the files, on the whole test set. Exit code 1 if the best of ours
loses more than 0.3 points.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

import tfcompress as tfc

MAX_DROP = 0.003
SETTINGS = {
    method: {"method": method}
    for method in ("mse", "min_max", "moving_average", "percentile")
}
SETTINGS |= {
    "mse, biases corrected": {"correct_biases": True},
    "mse, equalized": {"equalize": True},
    "mse, equalized, biases corrected": {"equalize": True, "correct_biases": True},
}


def plain(model, images, path):
    """Writes what the converter by itself makes of a model."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def compare(model, data, num_images, folder):
    """Prints the accuracy of each file; returns what the best of ours loses."""
    expected = tfc.evaluate(model, data).top1
    print(f"{'float32':34} {expected:.2%}", flush=True)
    drops = {}
    for name, settings in {"plain converter": None, **SETTINGS}.items():
        path = folder / "model.tflite"
        if settings is None:
            plain(model, data.calibration(num_images).images, path)
        else:
            calibration = tfc.Calibration(num_images=num_images, **settings)
            tfc.export_tflite(model, path, data, calibration=calibration)
        drops[name] = expected - tfc.evaluate(path, data).top1
        print(f"{name:34} {expected - drops[name]:.2%} {-100 * drops[name]:+.2f}")
        sys.stdout.flush()
    return min(drops[name] for name in SETTINGS)


def main():
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--num_images", type=int, default=256)
    arguments = parser.parse_args()
    data = tfc.data.load(arguments.data)
    worst = 0.0
    for path in arguments.models:
        print(path)
        with tempfile.TemporaryDirectory() as folder:
            model = tfc.load_model(path)
            drop = compare(model, data, arguments.num_images, Path(folder))
            worst = max(worst, drop)
    return int(worst > MAX_DROP)


if __name__ == "__main__":
    sys.exit(main())
