"""Makes the files of strangers that nothing may happen by; each one is harmless.

The numbers are those of the list of sixty bad inputs that the loader is measured by:
what would do damage here only makes a file `marker` in its own folder, and what would
steal reads `canary` in the same place.
"""

import base64
import io
import json
import marshal
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import flatbuffers
import h5py
import keras as keras_3
import numpy as np
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

LIBRARIES = {"tf_keras": keras, "keras_3": keras_3}
BOTH = tuple(LIBRARIES)
CANARY = b"CANARY-OF-THE-USER "
LOADS = ""


@dataclass(frozen=True)
class BadInput:
    """A file that must do no harm.

    Args:
      number: in the list of sixty.
      name: what it is, as the id of a test.
      make: writes it into an empty folder and returns its path.
      first: whether it is the first of its kind: others differ in Keras or ending.
      told: pattern of what the error has to say; `LOADS` where the file may be read.
      bites: whether Keras' own loader does what the file wants: it is armed.
    """

    number: int
    name: str
    make: Callable[[Path], Path]
    first: bool
    told: str
    bites: bool


BAD_INPUTS: list[BadInput] = []


def bad(number, told, variants=(None,), bites=()):
    """Lists the files that a function makes of its variants, which it is given."""

    def register(function):
        for variant in variants:

            def make(folder, variant=variant):
                (folder / "canary").write_bytes(CANARY * 4096)
                path = function(folder, *([] if variant is None else [variant]))
                (folder / "marker").unlink(missing_ok=True)
                return path

            name = f"{number:02d}_{function.__name__}"
            name += "" if variant is None else f"_{variant}"
            armed = bites is True or variant in bites
            first = variant == variants[0]
            BAD_INPUTS.append(BadInput(number, name, make, first, told, armed))
        return function

    return register


def plain_model(library):
    """8x8x3 -> 3, of layers that everybody knows."""
    library.utils.set_random_seed(0)
    layers = library.layers
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv", activation="relu")(image)
    x = layers.Flatten(name="flat")(x)
    return library.Model(image, layers.Dense(3, name="logits")(x), name="plain")


@cache
def saved(generation, ending):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{ending}"
        plain_model(LIBRARIES[generation]).save(path)
        return path.read_bytes()


def archive(folder, generation, change=lambda config: None, weights=None, more=()):
    """Writes a sound `.keras` file with some of it changed."""
    with zipfile.ZipFile(io.BytesIO(saved(generation, "keras"))) as sound:
        parts = {name: sound.read(name) for name in sound.namelist()}
    config = json.loads(parts["config.json"])
    changed = change(config)
    parts["config.json"] = json.dumps(config if changed is None else changed).encode()
    if weights is not None:
        parts["model.weights.h5"] = rewritten(parts["model.weights.h5"], weights)
    with zipfile.ZipFile(folder / "model.keras", "w") as file:
        for name, content in [*parts.items(), *more]:
            file.writestr(name, content)
    return folder / "model.keras"


def legacy(folder, generation, change=lambda config: None, weights=None):
    """Writes a sound `.h5` file with some of it changed."""
    path = folder / "model.h5"
    path.write_bytes(saved(generation, "h5"))
    with h5py.File(path, "r+") as hdf5:
        config = json.loads(hdf5.attrs["model_config"])
        change(config)
        hdf5.attrs["model_config"] = json.dumps(config)
        if weights is not None:
            weights(hdf5)
    return path


def rewrite_archive(path, change):
    """Changes the members of an archive, a mapping of name to content."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def change_config(path, change):
    """Changes the architecture in a file."""
    if path.suffix == ".keras":

        def replace(parts):
            config = json.loads(parts["config.json"])
            change(config)
            parts["config.json"] = json.dumps(config).encode()

        return rewrite_archive(path, replace)
    with h5py.File(path, "r+") as hdf5:
        config = json.loads(hdf5.attrs["model_config"])
        change(config)
        hdf5.attrs["model_config"] = json.dumps(config)
    return path


def either(folder, kind, **changes):
    generation, ending = kind.split(".")
    return {"keras": archive, "h5": legacy}[ending](folder, generation, **changes)


KINDS = ("tf_keras.keras", "tf_keras.h5", "keras_3.keras", "keras_3.h5")


def rewritten(content, write):
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as hdf5:
        write(hdf5)
    return buffer.getvalue()


def entry(config, name):
    return next(e for e in config["config"]["layers"] if e["config"]["name"] == name)


def setting(name, **values):
    """Returns a change of a config: other settings for one layer."""
    return lambda config: entry(config, name)["config"].update(values)


def other_layer(name, class_name, settings, module="keras.layers"):
    """Returns a change of a config: another class for one layer."""

    def change(config):
        where = entry(config, name)
        where.update(class_name=class_name, module=module, registered_name=None)
        where["config"] = {"name": name, **settings}

    return change


def kernel(hdf5):
    """Returns the group and name of the kernel of `conv`, whichever the format."""
    names = []
    hdf5.visititems(lambda name, item: names.append((name, item)))
    name = next(n for n, i in names if getattr(i, "shape", ()) == (3, 3, 3, 4))
    group, _, last = name.rpartition("/")
    return hdf5[group], last


# Code in the file


def evil(folder):
    return eval(f"lambda x: (open({str(folder / 'marker')!r}, 'w').close(), x)[1]")


def lambda_model(library, folder, depth=0):
    layer = library.layers.Lambda(lambda x: x, name="evil")
    model = library.Sequential([library.layers.Input((8, 8, 3)), layer])
    for _ in range(depth):
        image = library.layers.Input((8, 8, 3))
        model = library.Model(image, model(image))
    layer.function = evil(folder)
    return model


@bad(1, "layer evil uses .*Lambda.*--allow_unsafe", BOTH)
def lambda_in_keras(folder, generation):
    lambda_model(LIBRARIES[generation], folder).save(folder / "model.keras")
    return folder / "model.keras"


@bad(2, "layer evil uses .*Lambda.*--allow_unsafe", BOTH, bites=["tf_keras"])
def lambda_in_h5(folder, generation):
    lambda_model(LIBRARIES[generation], folder).save(folder / "model.h5")
    return folder / "model.h5"


@bad(3, "layer evil uses .*Lambda.*--allow_unsafe", bites=True)
def lambda_in_saved_model(folder):
    lambda_model(keras, folder).save(folder / "model", save_format="tf")
    return folder / "model"


@bad(4, "layer evil uses .*Lambda.*--allow_unsafe", KINDS)
def lambda_two_models_deep(folder, kind):
    generation, ending = kind.split(".")
    model = lambda_model(LIBRARIES[generation], folder, depth=2)
    model.save(folder / f"model.{ending}")
    return folder / f"model.{ending}"


@bad(5, "layer conv uses .*TextVectorization", KINDS)
def bytecode_in_text_vectorization(folder, kind):
    code = base64.b64encode(marshal.dumps(evil(folder).__code__)).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "value": [code]}}
    change = other_layer("conv", "TextVectorization", {"standardize": function})
    return either(folder, kind, change=change)


def foreign_module(folder):
    path = str(folder / "marker")
    (folder / "strange_module.py").write_text(f"open({path!r}, 'w').close()\n")
    return "strange_module"


@bad(6, "Swirl", KINDS, bites=["tf_keras.keras"])
def foreign_module_as_model(folder, kind):
    module = foreign_module(folder)

    def change(config):
        config.update(module=module, class_name="Swirl", registered_name=None)

    return either(folder, kind, change=change)


@bad(6, LOADS, KINDS, bites=["tf_keras.keras"])
def foreign_module_in_what_training_needs(folder, kind):
    module = foreign_module(folder)

    def change(config):
        part = {"module": module, "class_name": "Swirl", "config": {}}
        config["compile_config"] = {"optimizer": {**part, "registered_name": None}}

    return either(folder, kind, change=change)


@bad(6, "layer conv uses .*Swirl", KINDS)
def foreign_module_as_layer(folder, kind):
    module = foreign_module(folder)
    return either(folder, kind, change=other_layer("conv", "Swirl", {}, module))


@bad(6, "layer conv uses .*swirl", KINDS)
def foreign_module_as_activation(folder, kind):
    part = {"module": foreign_module(folder), "registered_name": "swirl"}
    part = {**part, "class_name": "function", "config": "swirl"}
    return either(folder, kind, change=setting("conv", activation=part))


@bad(6, "layer conv uses .*swirl", KINDS)
def foreign_module_as_initializer(folder, kind):
    part = {"module": foreign_module(folder), "registered_name": "swirl"}
    part = {**part, "class_name": "swirl", "config": {}}
    return either(folder, kind, change=setting("conv", kernel_initializer=part))


@bad(6, "layer conv uses|strange_module", KINDS)
def foreign_module_with_a_listed_name(folder, kind):
    """A class that is on every list, but of another module."""
    module = foreign_module(folder)

    def change(config):
        entry(config, "conv").update(module=module, registered_name="Swirl")

    return either(folder, kind, change=change)


@bad(7, "layer x uses .*set_epsilon", ["keras_3.keras", "tf_keras.keras"])
def function_of_keras_in_a_dead_node(folder, kind):
    def change(config):
        node = {"args": [0.5], "kwargs": {}}
        config["config"]["layers"].append(
            {
                "module": "keras.config",
                "class_name": "function",
                "config": {"name": "x", "fn": "set_epsilon"},
                "registered_name": "set_epsilon",
                "name": "x",
                "inbound_nodes": [node],
            }
        )

    return either(folder, kind, change=change)


@bad(8, "layer conv uses .*CSVLogger", KINDS)
def class_as_function(folder, kind):
    function = {
        "module": "keras.callbacks",
        "class_name": "function",
        "config": "CSVLogger",
        "registered_name": "CSVLogger",
    }
    return either(folder, kind, change=setting("conv", activation=function))


@bad(8, "layer conv uses .*get_file", KINDS)
def download_as_initializer(folder, kind):
    part = {
        "module": "keras.utils",
        "class_name": "get_file",
        "config": {"fname": "marker", "origin": f"file://{folder}/canary"},
        "registered_name": None,
    }
    return either(folder, kind, change=setting("conv", kernel_initializer=part))


@bad(
    9, r"layer evil calls tf\.io\.gfile\.mkdir", ["keras", "h5"], bites=["keras", "h5"]
)
def raw_operation_that_makes_a_folder(folder, ending):
    marker = str(folder / "marker")

    def change(config):
        config["config"]["layers"].append(
            {
                "module": "keras.layers",
                "class_name": "TFOpLambda",
                "config": {"name": "evil", "function": "io.gfile.mkdir"},
                "registered_name": "TFOpLambda",
                "name": "evil",
                "inbound_nodes": [["_CONSTANT_VALUE", -1, marker, {}]],
            }
        )

    return either(folder, f"tf_keras.{ending}", change=change)


def hidden_model(config, inner):
    """Adds a model that is never called, so that nobody looks into it."""
    image = json.loads(json.dumps(entry(config, "image")).replace("image", "unseen"))
    ends = json.dumps(config["config"]["input_layers"]).replace("image", "unseen")
    hidden = {key: config[key] for key in ("module", "class_name") if key in config}
    hidden["config"] = {
        "name": "hidden",
        "layers": [image, inner],
        "input_layers": json.loads(ends),
        "output_layers": json.loads(ends),
    }
    hidden |= {"name": "hidden", "registered_name": None, "inbound_nodes": []}
    config["config"]["layers"].append(hidden)


@bad(9, "layer hidden is never called", ["keras", "h5"], bites=["keras", "h5"])
def raw_operation_in_a_model_that_is_never_called(folder, ending):
    inner = {
        "module": "keras.layers",
        "class_name": "TFOpLambda",
        "config": {"name": "evil", "function": "io.gfile.mkdir"},
        "registered_name": "TFOpLambda",
        "name": "evil",
        "inbound_nodes": [["_CONSTANT_VALUE", -1, str(folder / "marker"), {}]],
    }
    kind = f"tf_keras.{ending}"
    return either(folder, kind, change=lambda config: hidden_model(config, inner))


@bad(10, "layer conv uses .*TFSMLayer", KINDS)
def outer_saved_model(folder, kind):
    settings = {"filepath": str(folder / "canary"), "call_endpoint": "serve"}
    return either(folder, kind, change=other_layer("conv", "TFSMLayer", settings))


@bad(10, "layer conv uses .*TorchModuleWrapper", KINDS)
def pickled_module(folder, kind):
    settings = {"module": base64.b64encode(b"cposix\nsystem\n(S''\ntR.").decode()}
    change = other_layer("conv", "TorchModuleWrapper", settings)
    return either(folder, kind, change=change)


@bad(11, "layer flat uses .*StringLookup", KINDS)
def vocabulary_path(folder, kind):
    settings = {"vocabulary": str(folder / "canary"), "dtype": "string"}
    return either(folder, kind, change=other_layer("flat", "StringLookup", settings))


class _Writes(tf.saved_model.experimental.TrackableResource):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def _create_resource(self):
        return tf.raw_ops.AnonymousMutableHashTable(
            key_dtype=tf.string, value_dtype=tf.int64
        )

    def _initialize(self):
        tf.io.write_file(self.path, "ran")


@bad(12, "SavedModel.*Keras", bites=True)
def operation_in_saved_model_init(folder):
    module = tf.Module()
    module.resource = _Writes(str(folder / "marker"))
    tf.saved_model.save(module, str(folder / "model"))
    return folder / "model"


@bad(12, LOADS, bites=True)
def operation_beside_a_sound_keras_model(folder):
    model = plain_model(keras)
    model.resource = _Writes(str(folder / "marker"))
    model.save(folder / "model", save_format="tf")
    return folder / "model"


# Containers


@bad(13, "is stored in another file", KINDS, bites=["tf_keras.keras", "tf_keras.h5"])
def external_storage(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        where = [(str(folder / "canary"), 0, 3 * 3 * 3 * 4 * 4)]
        group.create_dataset(name, (3, 3, 3, 4), "f4", external=where)

    return either(folder, kind, weights=write)


@bad(14, "a link to elsewhere", KINDS)
def external_link(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        group[name] = h5py.ExternalLink(str(folder / "canary"), "x")

    return either(folder, kind, weights=write)


@bad(15, "a link to elsewhere", KINDS)
def soft_link_loop(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        group[name] = h5py.SoftLink(f"{group.name}/{name}")

    return either(folder, kind, weights=write)


@bad(15, "values than it stores|number of HDF5 objects|holds itself", KINDS)
def hard_link_loop(folder, kind):
    def write(hdf5):
        group, _ = kernel(hdf5)
        group["again"] = hdf5["/"]

    return either(folder, kind, weights=write)


@bad(15, "holds itself", KINDS)
def group_that_holds_itself(folder, kind):
    def write(hdf5):
        group = hdf5.create_group("deep")
        group["again"] = group

    return either(folder, kind, weights=write)


@bad(16, "is stored in another file", KINDS)
def virtual_dataset(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
        layout[:] = h5py.VirtualSource(str(folder / "canary"), "x", (3, 3, 3, 4))
        group.create_virtual_dataset(name, layout)

    return either(folder, kind, weights=write)


@bad(17, "declares more values than it stores", KINDS)
def shape_bomb(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        shape = (2**20, 2**11)
        group.create_dataset(name, shape, "f4", chunks=(2**10, 2**10), fillvalue=1)

    return either(folder, kind, weights=write)


@bad(17, "declares more values than it stores", KINDS)
def compression_bomb(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        zeros = np.zeros((16, 2**20), "f4")
        group.create_dataset(name, data=zeros, chunks=(1, 2**20), compression="gzip")

    return either(folder, kind, weights=write)


@bad(18, "suspicious size", ["config.json", "metadata.json", "model.weights.h5"])
def zip_bomb(folder, member):
    bomb = {member: b" " * (24 << 20)}
    return rewrite_archive(archive(folder, "tf_keras"), lambda p: p.update(bomb))


@bad(19, "too many members")
def archive_of_many_members(folder):
    more = [(f"assets/{number}", b"") for number in range(20_000)]
    return archive(folder, "tf_keras", more=more)


@bad(20, "leads elsewhere", ["../marker", "/tmp/../marker", "a/../../marker"])
def member_that_leads_elsewhere(folder, name):
    if name.startswith("/"):
        name = str(folder / "marker")
    return archive(folder, "tf_keras", more=[(name, b"x")])


@bad(21, "two of one name")
def two_configs(folder):
    path = archive(folder, "tf_keras")
    with zipfile.ZipFile(path) as file:
        config = file.read("config.json")
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("config.json", config)
    return path


@bad(22, "encrypted")
def encrypted_zip(folder):
    path = archive(folder, "tf_keras")
    content = bytearray(path.read_bytes())
    # The flag in each header: Python's zipfile reads encryption but cannot write it.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    return path


# Broken files


def write(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


@bad(23, "is empty", ["keras", "h5", "tflite"])
def empty_file(folder, ending):
    return write(folder, f"model.{ending}", b"")


@bad(24, "cut short", [f"{kind}.{t}" for kind in KINDS for t in range(1, 10)])
def cut_file(folder, kind):
    generation, ending, tenth = kind.split(".")
    content = saved(generation, ending)
    return write(folder, f"model.{ending}", content[: len(content) * int(tenth) // 10])


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@bad(24, "cut short|damaged", ["keras_metadata.pb", "variables"])
def cut_saved_model(folder, name):
    path = folder / "model"
    plain_model(keras).save(path, save_format="tf")
    if name == "variables":
        name = "variables/variables.data-00000-of-00001"
    cut_in_half(path / name)
    return path


@bad(24, LOADS)
def cut_graph_that_is_never_run(folder):
    plain_model(keras).save(folder / "model", save_format="tf")
    cut_in_half(folder / "model" / "saved_model.pb")
    return folder / "model"


@bad(25, "picture", ["h5", "keras"])
def picture(folder, ending):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(folder / "picture", "PNG")
    return (folder / "picture").rename(folder / f"model.{ending}")


@bad(26, "is a folder")
def folder_for_a_file(folder):
    (folder / "model.keras").mkdir()
    return folder / "model.keras"


@bad(27, "ONNX")
def onnx_file(folder):
    # ir_version 8, then producer_name "pytorch", then an empty graph.
    content = b"\x08\x08\x12\x07pytorch:\x02\x12\x00"
    return write(folder, "model.onnx", content)


@bad(28, "weights only|only weights|without an architecture", BOTH)
def weights_only(folder, generation):
    path = folder / "model.weights.h5"
    plain_model(LIBRARIES[generation]).save_weights(path)
    return path


@bad(28, "weights only|only weights|without an architecture")
def weights_only_in_the_old_format(folder):
    plain_model(keras).save_weights(folder / "model.h5")
    return folder / "model.h5"


@bad(29, "without weights|no weights|holds no model.weights", BOTH)
def config_only_in_an_archive(folder, generation):
    path = archive(folder, generation)
    return rewrite_archive(path, lambda parts: parts.pop("model.weights.h5"))


@bad(29, "without weights|no weights", BOTH)
def config_only_as_json(folder, generation):
    text = plain_model(LIBRARIES[generation]).to_json()
    return write(folder, "model.json", text.encode())


@bad(29, "without weights|no weights", BOTH)
def config_only_in_h5(folder, generation):
    path = legacy(folder, generation)
    with h5py.File(path, "r+") as hdf5:
        del hdf5["model_weights"]
    return path


@bad(30, "conv.*shape|shape.*conv", KINDS)
def shape_mismatch(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]
        group[name] = np.zeros((3, 3, 3, 5), "f4")

    return either(folder, kind, weights=write)


@bad(30, "conv", KINDS)
def weights_missing(folder, kind):
    def write(hdf5):
        group, name = kernel(hdf5)
        del group[name]

    return either(folder, kind, weights=write)


@bad(31, "nested|layer conv uses", ["config", "activation"])
def deep_json(folder, where):
    def change(parts):
        deep = b"[" * 100_000 + b"]" * 100_000
        if where == "activation":
            # Deep enough for code that walks it, not for the parser of JSON.
            deep = b'{"class_name":' * 800 + b'"relu"' + b"}" * 800
            deep = parts["config.json"].replace(b'"relu"', deep, 1)
        parts["config.json"] = deep

    return rewrite_archive(archive(folder, "tf_keras"), change)


@bad(31, "suspicious size")
def config_of_many_values(folder):
    many = {"config.json": b"[" + b"[]," * 20_000_000 + b"[]]"}
    more = [("assets/noise", np.random.default_rng(0).bytes(1 << 20))]
    path = archive(folder, "tf_keras", more=more)
    return rewrite_archive(path, lambda parts: parts.update(many))


@bad(32, "holds no model.weights|npz|without weights|no weights")
def pickled_weights(folder):
    buffer = io.BytesIO()
    np.savez(buffer, kernel=np.array([Path("x")], dtype=object))
    path = archive(folder, "keras_3", more=[("model.weights.npz", buffer.getvalue())])
    return rewrite_archive(path, lambda parts: parts.pop("model.weights.h5"))


@bad(32, "NumPy arrays")
def pickled_npz_for_a_model(folder):
    np.savez(folder / "model.npz", kernel=np.array([Path("x")], dtype=object))
    return (folder / "model.npz").rename(folder / "model.keras")


# Content

HUGE = 10_000_000_000


@bad(33, "layer hidden is never called", KINDS)
def huge_layer_in_a_model_that_is_never_called(folder, kind):
    def change(config):
        inner = json.loads(json.dumps(entry(config, "flat")).replace("flat", "big"))
        inner = json.loads(json.dumps(inner).replace('"conv"', '"unseen"'))
        settings = {"name": "big", "units": 150_000_000}
        hidden_model(config, {**inner, "class_name": "Dense", "config": settings})

    return either(folder, kind, change=change)


@bad(33, LOADS, KINDS)
def nested_model_with_another_size_noted_beside_it(folder, kind):
    """Keras would build it for that size, and make 4 GB of weights."""
    generation, ending = kind.split(".")
    library = LIBRARIES[generation]
    layers = library.layers
    tail = library.Sequential([layers.Dense(3, name="dense")], name="tail")
    image = layers.Input((8, 8, 3), name="image")
    x = layers.SeparableConv2D(4, 3, name="split")(image)
    model = library.Model(image, tail(layers.GlobalAveragePooling2D(name="pool")(x)))
    path = folder / f"model.{ending}"
    model.save(path)

    def change(config):
        where = entry(config, "tail")
        where.pop("build_config", None)
        where["config"]["build_input_shape"] = [None, 333_000_000]

    return change_config(path, change)


@bad(33, "logits.*(more|needs)", KINDS)
def huge_units(folder, kind):
    return either(folder, kind, change=setting("logits", units=HUGE))


@bad(33, "conv.*(more|needs)", KINDS)
def huge_depth_multiplier(folder, kind):
    settings = {"kernel_size": [3, 3], "depth_multiplier": HUGE}
    return either(folder, kind, change=other_layer("conv", "DepthwiseConv2D", settings))


@bad(33, "conv.*(more|needs)", KINDS)
def huge_activation(folder, kind):
    change = other_layer("conv", "UpSampling2D", {"size": [10**6, 10**6]})
    return either(folder, kind, change=change)


@bad(33, "conv.*(more|needs)", KINDS)
def huge_padding(folder, kind):
    change = other_layer("conv", "ZeroPadding2D", {"padding": [10**6, 10**6]})
    return either(folder, kind, change=change)


@bad(33, "image.*(more|needs)", KINDS)
def huge_image(folder, kind):
    key = "batch_shape" if kind.startswith("keras_3") else "batch_input_shape"
    change = setting("image", **{key: [None, 10**6, 10**6, 3]})
    return either(folder, kind, change=change)


@bad(33, "layer conv", KINDS)
def huge_array_in_the_config(folder, kind):
    part = {"class_name": "__numpy__", "config": {"value": [0], "dtype": "S4000000000"}}
    return either(folder, kind, change=setting("conv", bias_initializer=part))


@bad(34, "conv", KINDS)
def zero_strides(folder, kind):
    return either(folder, kind, change=setting("conv", strides=[0, 0]))


@bad(34, "conv", KINDS)
def negative_filters(folder, kind):
    return either(folder, kind, change=setting("conv", filters=-4))


@bad(34, "conv", KINDS)
def zero_kernel_size(folder, kind):
    return either(folder, kind, change=setting("conv", kernel_size=[0, 3]))


@bad(34, "conv", KINDS)
def groups_that_do_not_divide(folder, kind):
    return either(folder, kind, change=setting("conv", groups=2))


@bad(34, "logits", KINDS)
def zero_units(folder, kind):
    return either(folder, kind, change=setting("logits", units=0))


@bad(34, "conv", KINDS)
def text_for_a_number(folder, kind):
    return either(folder, kind, change=setting("conv", filters="four"))


def with_value(value):
    def write(hdf5):
        group, name = kernel(hdf5)
        values = group[name][()]
        values[0, 0, 0, 0] = value
        group[name][...] = values

    return write


@bad(35, "weights of conv hold NaN", KINDS)
def not_a_number(folder, kind):
    return either(folder, kind, weights=with_value(np.nan))


@bad(35, "weights of conv hold NaN or infinity", KINDS)
def infinity(folder, kind):
    return either(folder, kind, weights=with_value(np.inf))


@bad(36, "no layer|no input|no output", KINDS)
def no_layers(folder, kind):
    def change(config):
        config["config"].update(layers=[], input_layers=[], output_layers=[])

    return either(folder, kind, change=change)


@bad(36, "no layer|no input|never gets", KINDS)
def no_input(folder, kind):
    def change(config):
        config["config"]["input_layers"] = []
        entries = config["config"]["layers"]
        config["config"]["layers"] = entries[1:]

    return either(folder, kind, change=change)


@bad(36, "no layer|no input shape|no layers")
def sequential_without_layers(folder):
    def change(config):
        return {
            "module": "keras",
            "class_name": "Sequential",
            "config": {"name": "empty", "layers": []},
            "registered_name": None,
        }

    return archive(folder, "tf_keras", change)


class _Subclassed3(keras_3.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras_3.layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


class _Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {}


@bad(37, "expected a Functional or Sequential", BOTH)
def subclassed_model(folder, generation):
    model = {"tf_keras": _Subclassed, "keras_3": _Subclassed3}[generation]()
    model(np.zeros((1, 4), "float32"))
    model.save(folder / "model.keras")
    return folder / "model.keras"


@bad(38, "layer conv uses .*Swirl.*custom_objects=.*--allow_unsafe", KINDS)
def unknown_layer(folder, kind):
    change = other_layer("conv", "Swirl", {"turns": 3}, module="their.layers")
    return either(folder, kind, change=change)


def rewired(config, layer, source):
    nodes = json.dumps(entry(config, layer)["inbound_nodes"])
    old = {"flat": "conv", "conv": "image"}[layer]
    entry(config, layer)["inbound_nodes"] = json.loads(
        nodes.replace(f'"{old}"', f'"{source}"')
    )


@bad(39, "never gets its input|circle|cycle", KINDS)
def cycle(folder, kind):
    return either(folder, kind, change=lambda config: rewired(config, "conv", "flat"))


@bad(39, "input from nowhere: no such layer", KINDS)
def loose_node(folder, kind):
    return either(
        folder, kind, change=lambda config: rewired(config, "flat", "nowhere")
    )


@bad(40, "layer (image|conv|logits)", KINDS)
def every_size_open(folder, kind):
    key = "batch_shape" if kind.startswith("keras_3") else "batch_input_shape"
    return either(folder, kind, change=setting("image", **{key: [None] * 4}))


STRANGE_NAMES = ("../../x", "conv[/]", "\x1b[2J\x1b]0;owned\x07", "<script>", "=1+1")


def renamed(folder, name):
    """A file whose layer `conv` has another name, everywhere in it."""
    text = json.dumps(name)

    def change(config):
        return json.loads(json.dumps(config).replace('"conv"', text))

    return archive(folder, "keras_3", change)


@bad(41, LOADS, range(len(STRANGE_NAMES)))
def strange_name(folder, index):
    return renamed(folder, STRANGE_NAMES[index])


@bad(42, "named conv", KINDS)
def duplicate_names(folder, kind):
    def change(config):
        layers = config["config"]["layers"]
        layers.append(json.loads(json.dumps(entry(config, "conv"))))

    return either(folder, kind, change=change)


# .tflite files

TFLITE = r"\.tflite"


@cache
def sound_tflite():
    flatbuffer = tf.lite.TFLiteConverter.from_keras_model(plain_model(keras)).convert()
    return bytes(flatbuffer)


def tflite(folder, change):
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(sound_tflite()))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return write(folder, "model.tflite", bytes(builder.Output()))


@bad(43, TFLITE)
def eight_bytes(folder):
    return write(folder, "model.tflite", struct.pack("<I", 8) + b"TFL3")


@bad(44, TFLITE)
def no_subgraph(folder):
    return tflite(folder, lambda model: model.subgraphs.clear())


@bad(45, TFLITE)
def index_out_of_range(folder):
    def change(model):
        model.subgraphs[0].operators[0].inputs = np.array([10**6, 1, 2], np.int32)

    return tflite(folder, change)


@bad(46, TFLITE)
def unknown_custom_operator(folder):
    def change(model):
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"Evil\x1b[2J"

    return tflite(folder, change)


@bad(47, TFLITE)
def largest_dimension(folder):
    def change(model):
        for tensor in model.subgraphs[0].tensors:
            tensor.shape = np.array([1, 2**31 - 1, 2**31 - 1, 3], np.int32)

    return tflite(folder, change)
