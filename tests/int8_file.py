"""Running an int8 file on floats."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(path, images):
    """Returns what a file makes of images, as floats, and the size of a step of it."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    (made,) = interpreter.get_output_details()
    scale, zero = given["quantization"]
    outputs = []
    for image in np.clip(np.round(images / scale) + zero, -128, 127).astype("int8"):
        interpreter.set_tensor(given["index"], image[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(made["index"])[0])
    scale, zero = made["quantization"]
    return (np.array(outputs, np.float32) - zero) * scale, scale


def steps_off(path, model, images):
    """Returns how many steps of its output a file is off a model at most."""
    outputs, step = run(path, images)
    return float(np.abs(outputs - model(images, training=False)).max()) / step
