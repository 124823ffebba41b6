from pathlib import Path

import pytest
import tiny

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.energy import measure_energy, modelled_energy
from tfcompress.profiling.litert import Engine


def layer(dtype, macs, flops, num_bytes, weight_bytes=0):
    weights = {dtype: weight_bytes}
    return LayerProfile(
        "x", "CONV_2D", (1,), 0, 0, macs, dtype=dtype, flops=flops,
        weight_bytes=weights, read_bytes=num_bytes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "a_mac", "an_addition"),
    [("int8", 0.2 + 0.1, 0.1), ("float32", 3.7 + 0.9, 0.9), ("float16", 1.5, 0.4)],
)
def test_modelled_energy_is_macs_and_bytes_by_the_table(dtype, a_mac, an_addition):
    # 1000 MACs and 50 additions; 800 bytes are 100 accesses of 64 bits at 100 pJ.
    energy = modelled_energy([layer(dtype, 1000, 2050, 800)], 1000)
    compute = 1000 * a_mac + 50 * an_addition
    assert energy.kind == "modelled"
    assert energy.compute_millijoules == pytest.approx(compute * 1e-9)
    assert energy.memory_millijoules == pytest.approx(100 * 100 * 1e-9)
    assert energy.millijoules == pytest.approx((compute + 100 * 100) * 1e-9)
    assert "Horowitz" in energy.source and "SRAM" in energy.source
    assert f"{a_mac:.1f} pJ ({dtype})" in energy.source


@pytest.mark.parametrize(
    ("dtype", "taken_as", "a_mac", "an_addition"),
    [
        ("uint8", "int8", 0.2 + 0.1, 0.1),
        ("int4", "int8", 0.2 + 0.1, 0.1),
        ("int16", "int32", 3.1 + 0.1, 0.1),
        ("bfloat16", "float16", 1.5, 0.4),
        ("float64", "float32", 4.6, 0.9),
    ],
)
def test_a_type_that_the_table_lacks_is_told(dtype, taken_as, a_mac, an_addition):
    energy = modelled_energy([layer(dtype, 1000, 2050, 0)], 0)
    compute = 1000 * a_mac + 50 * an_addition
    assert energy.compute_millijoules == pytest.approx(compute * 1e-9)
    assert f"{a_mac:.1f} pJ ({taken_as})" in energy.source
    assert energy.source.endswith(f"; {dtype} as {taken_as}")
    idle = modelled_energy([layer(dtype, 0, 0, 800), layer("int8", 9, 18, 8)], 0)
    assert " as " not in idle.source


def test_what_does_not_fit_a_megabyte_is_in_dram():
    small = modelled_energy([layer("int8", 0, 0, 800, 2**20 - 10)], 10)
    large = modelled_energy([layer("int8", 0, 0, 800, 2**20 - 10)], 11)
    assert large.memory_millijoules / small.memory_millijoules == 1300 / 100
    assert "DRAM" in large.source


def counters(folder, *packages):
    for number, (name, energy, limit) in enumerate(packages):
        package = folder / f"intel-rapl:{number}"
        package.mkdir()
        (package / "name").write_text(f"{name}\n")
        (package / "energy_uj").write_text(f"{energy}\n")
        (package / "max_energy_range_uj").write_text(f"{limit}\n")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("energy") / "m.tflite"
    export_tflite(tiny.model(), path, quantization="float32")
    return path


METERED = Engine("a metered LiteRT", Path(__file__).with_name("metered_worker.py"))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_measured_energy_is_of_the_runs_alone(tmp_path, file, batch_size):
    # The second reaches its range within the first measured run, of 1000 microjoules:
    # before are one to try the file and three to warm up.
    counters(tmp_path, ("package-0", 42, 10**9), ("package-1", 5500, 10_000))
    counters(tmp_path / "intel-rapl:0", ("core", 0, 10**9))  # a part of it
    energy = measure_energy(
        file, batch_size=batch_size, seconds=0.2, engine=METERED, folder=tmp_path
    )
    assert energy.kind == "measured"
    # 3 and 1 mJ a run. Opening the file took 7000 mJ, trying it and warming up 16 mJ.
    assert energy.millijoules == pytest.approx((3 + 1) / batch_size)
    assert energy.compute_millijoules is energy.memory_millijoules is None
    assert energy.source.endswith(" processes: package-0, package-1")
    assert "idle power" in energy.source
    num_runs = int(energy.source.split()[2])
    # All that the first counter has gained.
    spent = int((tmp_path / "intel-rapl:0" / "energy_uj").read_text()) - 42
    assert spent == 7_000_000 + (1 + 3 + num_runs) * 3000
    # Runs of 60 ms and little more, for 200 ms.
    assert 2 <= num_runs <= 4


def test_counters_that_stand_still_measure_nothing(tmp_path, file):
    counters(tmp_path, ("package-0", 5, 10**9))
    with pytest.raises(ModelError, match="stand still"):
        measure_energy(file, seconds=0.01, folder=tmp_path)


def test_without_counters_nothing_is_measured_and_it_is_said(tmp_path, file):
    with pytest.raises(ModelError, match="no powercap counters"):
        measure_energy(file, folder=tmp_path / "none")
    counters(tmp_path, ("psys", 0, 1))  # the whole machine, not the processor
    with pytest.raises(ModelError, match="no powercap counters"):
        measure_energy(file, folder=tmp_path)


def test_counters_of_others_only_are_said_to_be_unreadable(tmp_path, file):
    counters(tmp_path, ("package-0", 1, 10))
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    with pytest.raises(ModelError, match=r"counters cannot be read: .*only root may"):
        measure_energy(file, folder=tmp_path)
