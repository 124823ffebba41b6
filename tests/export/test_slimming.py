import io
import shutil
import subprocess
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import realistic
import tensorflow as tf
import tf_keras as keras
import tiny
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from benchmarks import file_bytes

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError, TfcompressError
from tfcompress.export.audit import audit_graphs
from tfcompress.export.schema_model import read_model
from tfcompress.export.sharing_builder import SharingBuilder
from tfcompress.export.slimming import slim
from tfcompress.models.channel_blocks import channel_shuffle, channel_split
from tfcompress.profiling.tflite_graph import parse_tflite
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

KERNELS = (OpResolverType.AUTO, OpResolverType.BUILTIN_REF)
layers = keras.layers


def shuffle_model():
    """Slices and reshapes, which have constants that are no parameters."""
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, name="stem")(image)
    for index in range(2):
        kept, given = channel_split(x, f"unit{index}")
        given = layers.Conv2D(4, 1, name=f"unit{index}_conv")(given)
        joined = layers.Concatenate(name=f"unit{index}_concat")([kept, given])
        x = channel_shuffle(joined, 2, f"unit{index}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="shuffle")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Returns int8 files as the converter writes them, by name of the model."""
    folder = tmp_path_factory.mktemp("files")
    contents = {}
    for make in (tiny.model, shuffle_model):
        keras.utils.set_random_seed(0)
        model = make()
        pictures = realistic.pictures(8, (8, 8, 1))
        realistic.make_realistic(model, pictures)
        quantized = fake_quantize(model)
        calibrate(quantized, pictures)
        path = folder / f"{model.name}.tflite"
        tfc.export_tflite(quantized, path, slim=False)
        contents[model.name] = path.read_bytes()
    return contents


@pytest.fixture(params=["tiny", "shuffle"])
def content(request, files):
    return files[request.param]


def outputs(content, kernels=OpResolverType.AUTO, num=256):
    """Runs a file on seeded inputs that use all of its input's range."""
    return run(Interpreter(None, content, experimental_op_resolver_type=kernels), num)


def run(runner, num):
    runner.allocate_tensors()
    (taken,), (given,) = runner.get_input_details(), runner.get_output_details()
    random = np.random.default_rng(0)
    results = []
    for _ in range(num):
        if taken["dtype"] == np.float32:
            image = random.random(taken["shape"], np.float32)
        else:
            image = random.integers(-128, 128, taken["shape"]).astype(taken["dtype"])
        runner.set_tensor(taken["index"], image)
        runner.invoke()
        results.append(runner.get_tensor(given["index"]).copy())
    return np.array(results)


def repacked(model):
    """Returns the bytes of a `ModelT`, by way of the plain packer."""
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("kernels", KERNELS)
def test_outputs_are_the_same_bit_by_bit(content, kernels):
    before = outputs(content, kernels)
    assert len(np.unique(before)) > 20
    for names in ("short", "keep", "drop"):
        np.testing.assert_array_equal(outputs(slim(content, names), kernels), before)


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic", "int16x8"])
def test_files_of_every_kind_can_be_slimmed(tmp_path, quantization):
    path = tmp_path / "m.tflite"
    data = tiny.data()
    tfc.export_tflite(tiny.model(), path, data, quantization, slim=False)
    content = path.read_bytes()
    assert tfc.slim_tflite(path, path) == path.stat().st_size < len(content)
    np.testing.assert_array_equal(
        outputs(path.read_bytes(), num=16), outputs(content, num=16)
    )


def test_each_vector_of_zero_points_and_each_shape_is_stored_once(content):
    model = schema.Model.GetRootAs(slim(content), 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    quantizations = [t.Quantization() for t in tensors if t.Quantization()]
    zero_points = [each.ZeroPointAsNumpy() for each in quantizations]
    for vectors in (zero_points, [tensor.ShapeAsNumpy() for tensor in tensors]):
        places = {v.__array_interface__["data"][0] for v in vectors if np.size(v)}
        contents = {v.tobytes() for v in vectors if np.size(v)}
        assert len(places) == len(contents) < len(vectors)


def test_equal_buffers_are_one_and_stand_at_multiples_of_16(content):
    slimmed = slim(content)
    model = schema.Model.GetRootAs(slimmed, 0)
    start = np.frombuffer(slimmed, np.uint8).__array_interface__["data"][0]
    datas = [
        model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())
    ]
    assert isinstance(datas[0], int)
    places = [data.__array_interface__["data"][0] - start for data in datas[1:]]
    assert {place % 16 for place in places} == {0}
    assert len({data.tobytes() for data in datas[1:]}) == len(places)


def test_only_what_no_runtime_reads_is_gone(content):
    before, after = read_model(content, "m"), read_model(slim(content), "m")
    assert (before.description, after.description) == (b"MLIR Converted.", None)
    assert len(before.metadata) == 2
    assert after.metadata is None
    tensors = after.subgraphs[0].tensors
    assert len(tensors) == len(before.subgraphs[0].tensors)
    computed = [tensor.name for tensor in tensors if not tensor.buffer]
    assert len(set(computed)) == len(computed)
    assert max(len(tensor.name) for tensor in tensors) <= 2
    uses = [op.opcodeIndex for op in after.subgraphs[0].operators]
    assert sorted(set(uses)) == list(range(len(after.operatorCodes)))
    assert uses.count(0) == max(map(uses.count, uses))
    assert b"quant_" in content
    assert b"quant_" not in slim(content)


def test_unused_codes_and_buffers_and_ranges_go(files):
    model = read_model(files["tiny"], "m")
    model.operatorCodes.insert(0, schema.OperatorCodeT(builtinCode=99))
    for op in model.subgraphs[0].operators:
        op.opcodeIndex += 1
    model.buffers.append(schema.BufferT(data=np.ones(1000, np.uint8)))
    for tensor in model.subgraphs[0].tensors:
        if tensor.quantization.scale is not None:
            tensor.quantization.min = -tensor.quantization.scale
            tensor.quantization.max = tensor.quantization.scale
    assert slim(repacked(model)) == slim(files["tiny"])


def test_equal_files_give_an_equal_file_and_twice_is_once(content):
    slimmed = slim(content)
    assert slim(content) == slimmed
    assert slim(slimmed) == slimmed
    assert len(slim(content, "drop")) < len(slimmed) < len(slim(content, "keep"))


def test_names_and_metadata_are_kept_on_request(content):
    before = read_model(content, "m")
    after = read_model(slim(content, "keep", keep_metadata=True), "m")
    names = [
        [tensor.name for tensor in model.subgraphs[0].tensors]
        for model in (before, after)
    ]
    assert names[0] == names[1]
    assert after.description == before.description
    assert [entry.name for entry in after.metadata] == [
        entry.name for entry in before.metadata
    ]
    dropped = read_model(slim(content, "drop"), "m").subgraphs[0].tensors
    assert {tensor.name for tensor in dropped} == {None}


def test_metadata_of_the_user_stays(files):
    model = read_model(files["tiny"], "m")
    model.buffers.append(schema.BufferT(data=np.frombuffer(b"shirt\nbag", np.uint8)))
    number = len(model.buffers) - 1
    model.metadata.append(schema.MetadataT(name=b"labels", buffer=number))
    model.metadataBuffer = np.array([number], np.int32)
    after = read_model(slim(repacked(model)), "m")
    (entry,) = after.metadata
    assert entry.name == b"labels"
    assert bytes(after.buffers[entry.buffer].data) == b"shirt\nbag"
    assert list(after.metadataBuffer) == [entry.buffer]


def test_signatures_and_several_graphs_stay():
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((2,), tf.float32, name="pair")])
        def __call__(self, pair):
            found = tf.cond(pair[0] > 0, lambda: pair * 3.0, lambda: pair - 5.0)
            return {"answer": found}

    module = Module()
    call = module.__call__.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call], module)
    content = converter.convert()
    slimmed = slim(content)
    assert len(slimmed) < len(content)
    assert len(read_model(slimmed, "m").subgraphs) == 3
    for file in (content, slimmed):
        signature = Interpreter(None, file).get_signature_runner("serving_default")
        for pair, answer in (([1, 2], [3, 6]), ([-1, 2], [-6, -3])):
            given = signature(pair=np.array(pair, np.float32))
            np.testing.assert_array_equal(given["answer"], answer)


def test_tensorflow_still_reads_it(content, tmp_path):
    slimmed, path = slim(content), tmp_path / "m.tflite"
    path.write_bytes(slimmed)
    with pytest.warns(UserWarning, match="deprecated"):
        runner = tf.lite.Interpreter(model_content=slimmed)
    np.testing.assert_array_equal(run(runner, 16), outputs(content, num=16))
    analyze = tf.lite.experimental.Analyzer.analyze
    for with_mlir in (False, True):
        with redirect_stdout(io.StringIO()) as printed:
            analyze(model_path=str(path), experimental_use_mlir=with_mlir)
        assert "conv_2d" in printed.getvalue().lower()


def test_netron_still_reads_it(content, tmp_path):
    netron = pytest.importorskip("netron")
    node = shutil.which("node") or pytest.skip("needs Node.js")
    reader = Path(__file__).with_name("netron_reader.mjs")
    found = []
    for number, file in enumerate((content, slim(content), slim(content, "drop"))):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(file)
        command = [node, reader, Path(netron.__file__).parent, path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert "Conv2D" in found[0]
    assert found[0] == found[1] == found[2]


def test_openvino_still_reads_it(content, tmp_path):
    openvino = pytest.importorskip("openvino")
    images = np.random.default_rng(0).integers(-128, 128, (16, 1, 8, 8, 1), np.int8)
    results = []
    for number, file in enumerate((content, slim(content))):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(file)
        core = openvino.Core()
        model = core.compile_model(core.read_model(path), "CPU")
        results.append([model(image)[0] for image in images])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("name", list(file_bytes.NETWORKS)[:6])
@pytest.mark.slow
def test_bytes_that_are_no_parameters_are_few(name, tmp_path):
    keras.utils.set_random_seed(0)
    file_bytes.export(file_bytes.NETWORKS[name](), tmp_path / "m.tflite")
    content = (tmp_path / "m.tflite").read_bytes()
    slimmed = slim(content)
    counts = file_bytes.ByteMap(slimmed).counts()
    assert sum(counts.values()) == len(slimmed)
    rest = 1 - (counts["weights"] + counts["biases"]) / len(slimmed)
    assert rest <= (0.15 if "100k" in name else 0.35)
    assert len(slimmed) <= 0.85 * len(content)
    for kernels in KERNELS:
        np.testing.assert_array_equal(
            outputs(slimmed, kernels), outputs(content, kernels)
        )


def test_a_truncated_file_is_one_line(files, tmp_path):
    content = files["tiny"]
    path = tmp_path / "m.tflite"
    for size in (0, 7, 8, 100, len(content) // 2, len(content) - 200):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match=r"m\.tflite is (damaged|not a)") as caught:
            tfc.slim_tflite(path, tmp_path / "slim.tflite")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "slim.tflite").exists()


def test_a_damaged_file_never_becomes_one_that_computes_something_else(files):
    random = np.random.default_rng(0)
    content = np.frombuffer(files["tiny"], np.uint8)
    num_refused = 0
    for _ in range(60):
        damaged = content.copy()
        places = random.integers(0, len(damaged), 4)
        damaged[places] = random.integers(0, 256, 4)
        try:
            slim(damaged.tobytes())
        except TfcompressError as error:
            assert "mistake of tfcompress" not in str(error)
            num_refused += 1
    assert 0 < num_refused < 60


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ModelError, match=r"none\.tflite does not exist"):
        tfc.slim_tflite(tmp_path / "none.tflite", tmp_path / "slim.tflite")


def test_another_name_for_names_is_refused(files):
    with pytest.raises(InvalidArgumentError, match="expected one of short, keep"):
        slim(files["tiny"], names="none")


def attach(content):
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", "shirt")
    return file.getvalue()


def test_files_behind_the_flatbuffer_are_not_lost(files):
    with pytest.raises(ModelError, match="behind its flatbuffer"):
        slim(attach(files["tiny"]))


def store_behind(content):
    """Moves the largest constant behind the flatbuffer, as files above 2 GB have it."""
    model = read_model(content, "m")
    buffers = [model.buffers[t.buffer] for t in model.subgraphs[0].tensors]
    buffer = max(buffers, key=lambda each: np.size(each.data))
    constant, buffer.data = buffer.data.tobytes(), None
    # Any two numbers have the same room; which ones is known once it is packed.
    buffer.offset = buffer.size = 2
    buffer.offset, buffer.size = len(repacked(model)), len(constant)
    return repacked(model) + constant


def test_constants_behind_the_flatbuffer_are_put_into_it(files):
    moved = store_behind(files["tiny"])
    assert audit_graphs(parse_tflite(moved)) == audit_graphs(
        parse_tflite(files["tiny"])
    )
    assert slim(moved) == slim(files["tiny"])


def test_a_constant_cut_off_behind_the_flatbuffer_is_one_line(files):
    with pytest.raises(ModelError, match="ends behind the end of the file"):
        slim(store_behind(files["tiny"])[:-1])


def test_operators_newer_than_the_schema_are_not_lost(files):
    model = read_model(files["tiny"], "m")
    model.subgraphs[0].operators[0].builtinOptionsType = 127
    with pytest.raises(ModelError, match="newer than the installed ai-edge-litert"):
        slim(repacked(model))
