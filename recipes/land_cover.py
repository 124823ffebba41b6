"""Land cover: a small network for tiles seen from above, pruned by half, int8.

Any folder of RGB scenes will do, one sub-folder a class, such as the 27,000 tiles of
EuroSAT (Helber et al., arXiv:1709.00029, under the MIT licence) or NWPU-RESISC45; from
64x64 to 512x512, resized to 64x64. The report has the accuracy, and the mean time an
image takes on one thread, beside those of the float32 model.

Data: `folder:land_cover` is yours; `--smoke` uses computed tiles.
Source: Sandler et al., MobileNetV2, arXiv:1801.04381; Molchanov et al.,
  arXiv:1906.10771 (Taylor importance).
Command: `tfcompress run recipes/land_cover.py --set=data.name=folder:PATH`
Measured: Not measured yet.
"""

import tfcompress as tfc

HOW = {"optimizer": "sgd", "batch_size": 64}

RECIPE = tfc.Recipe(
    data=tfc.Data(
        "folder:land_cover",
        image_size=(64, 64),
        channels=3,
        # Seen from above, nothing has a right way up; shifts crop differently.
        augmentation=tfc.Augmentation(shift=4, horizontal_flip=True, brightness=0.1),
    ),
    model=tfc.Architecture("mobilenet_v2", {"alpha": 0.5}),
    stages=(
        tfc.Training(
            epochs=20, learning_rate=tfc.CosineDecay(0.1, warmup_epochs=1.0), **HOW
        ),
        tfc.ChannelPruning(
            target={"macs": 0.5},
            importance="taylor",
            epochs=8,
            learning_rate=tfc.CosineDecay(0.05),
            **HOW,
        ),
        tfc.QuantizationAware(
            epochs=1, batch_size=64, learning_rate=tfc.CosineDecay(5e-5)
        ),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={
        "data.image_size": None,
        "data.channels": None,
        "data.name": "synthetic_tiles",
    },
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
