"""The main job in one file: distil, prune, quantize and export a small MobileNetV1.

Data: 5,000 + 2,000 images of Fashion-MNIST that come with the package.
Command: `tfcompress run recipes/quickstart.py`, or this file as a script.
Duration, size and accuracy: see the row `quickstart` of recipes/README.md.
"""

import tfcompress as tfc

RECIPE = tfc.Recipe(
    data=tfc.Data(
        "fashion_mnist_small",
        augmentation=tfc.Augmentation(shift=2, horizontal_flip=True),
    ),
    teachers={
        "resnet8": tfc.Teacher(
            model=tfc.Architecture("resnet8"),
            stages=(tfc.Training(epochs=8, learning_rate=tfc.CosineDecay(2e-3, 0.5)),),
        ),
    },
    model=tfc.Architecture("mobilenet_v1", {"alpha": 0.25}),
    stages=(
        tfc.Training(
            epochs=10,
            learning_rate=tfc.CosineDecay(4e-3, 0.5),
            objective=tfc.Distillation("resnet8", temperature=4.0, alpha=0.7),
        ),
        tfc.Pruning(
            final_sparsity=0.8,
            epochs=5,
            learning_rate=tfc.CosineDecay(2e-3, final_fraction=0.05),
            objective=tfc.Distillation("resnet8", temperature=4.0, alpha=0.7),
        ),
        tfc.QuantizationAware(epochs=1, learning_rate=2e-4),
    ),
    export=tfc.Export(quantization="int8"),
    max_top1_drop=0.015,
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
