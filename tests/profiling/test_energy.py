import pytest

from tfcompress.profiling.counts import LayerProfile
from tfcompress.profiling.energy import measured_energy, modelled_energy


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


def test_measured_energy_is_what_the_counters_gained(tmp_path):
    counters(tmp_path, ("package-0", 1000, 10**9), ("package-1", 900, 999))
    counters(tmp_path / "intel-rapl:0", ("core", 0, 10**9))  # a part of it

    def run():
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("5000")
        # Over its range of 999, from 900: 99 to the end, 0, and 100 further.
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("100")
        return 20

    energy, reason = measured_energy(run, tmp_path)
    assert reason == ""
    assert energy.kind == "measured"
    # 4000 and 200 microjoules for 20 examples.
    assert energy.millijoules == pytest.approx(4200e-3 / 20)
    assert energy.compute_millijoules is energy.memory_millijoules is None
    assert "package-0, package-1" in energy.source


def test_without_counters_nothing_is_measured_and_it_is_said(tmp_path):
    assert measured_energy(lambda: 1 / 0, tmp_path)[0] is None
    counters(tmp_path, ("psys", 0, 1))  # the whole machine, not the processor
    energy, reason = measured_energy(lambda: 1 / 0, tmp_path)
    assert energy is None and "no powercap counters" in reason


def test_counters_of_others_only_are_said_to_be_unreadable(tmp_path):
    counters(tmp_path, ("package-0", 1, 10))
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    energy, reason = measured_energy(lambda: 1, tmp_path)
    assert energy is None and "cannot be read" in reason
