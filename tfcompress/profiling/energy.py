"""Energy of one run: measured by the processor's counters, or modelled from counts.

The two are told apart by `kind`, and never added or compared to each other here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tfcompress.errors import ModelError
from tfcompress.profiling.litert import LITERT, Engine

if TYPE_CHECKING:
    from tfcompress.profiling.counts import LayerProfile

_POWERCAP = Path("/sys/class/powercap")

# Picojoules in 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem (and what we
# can do about it)", ISSCC 2014, figure 1.1.9. An int8 product is added to an int32 sum.
_MULTIPLY_PJ = {"int8": 0.2, "int32": 3.1, "float16": 1.1, "float32": 3.7}
_ADD_PJ = {"int8": 0.1, "int32": 0.1, "float16": 0.4, "float32": 0.9}
# What it does not have is taken as the nearest that it has, which the source tells.
_TAKEN_AS = {
    **dict.fromkeys(("bool", "int2", "uint4", "int4", "uint8"), "int8"),
    **dict.fromkeys(("int16", "uint16", "uint32", "int64", "uint64"), "int32"),
    "bfloat16": "float16",
}
_SRAM_PJ_A_BYTE = 100 / 8  # a 64-bit access of a memory of 1 MB
_DRAM_PJ_A_BYTE = 1300 / 8  # the lower end of 1.3 to 2.6 nJ for 64 bits
_SRAM_BYTES = 1 << 20
_SOURCE = (
    "45 nm, Horowitz ISSCC 2014: MAC {macs}; memory {memory} pJ a byte ({place}), each "
    "tensor read and written once"
)
_COUNTERS = (
    "Linux powercap, {num_runs} runs, whole processor with its idle power and other "
    "processes: {names}"
)


@dataclass(frozen=True)
class Energy:
    """Energy that one example takes.

    Args:
      kind: `measured` by counters, or `modelled` from counts, which is good for
        comparing models, and no statement on any machine.
      millijoules: in total.
      source: which counters, or which constants.
      compute_millijoules: of it, for arithmetic; None where it is measured.
      memory_millijoules: of it, for reading and writing memory; None likewise.
    """

    kind: Literal["measured", "modelled"]
    millijoules: float
    source: str
    compute_millijoules: float | None = None
    memory_millijoules: float | None = None


def modelled_energy(
    layers: Iterable[LayerProfile], peak_memory_bytes: int, batch_size: int = 1
) -> Energy:
    """Returns the energy of one example, from multiply-accumulates and bytes.

    Memory is on the chip (a block of 1 MB) if the weights and the activations that are
    alive at once fit there, and DRAM otherwise.

    Args:
      layers: with their MACs, operations and bytes.
      peak_memory_bytes: of activations.
      batch_size: examples in the run that these are counts of.

    References:
      M. Horowitz, "Computing's energy problem (and what we can do about it)", IEEE
      International Solid-State Circuits Conference, 2014, figure 1.1.9.
    """
    layers = tuple(layers)
    weight_bytes = sum(sum(layer.weight_bytes.values()) for layer in layers)
    is_on_chip = weight_bytes + peak_memory_bytes <= _SRAM_BYTES
    a_byte = _SRAM_PJ_A_BYTE if is_on_chip else _DRAM_PJ_A_BYTE
    compute = 0.0
    used: dict[str, float] = {}
    substitutes: dict[str, str] = {}
    millijoules = 1e-9 / batch_size
    for layer in layers:
        known = layer.dtype in _ADD_PJ
        dtype = layer.dtype if known else _TAKEN_AS.get(layer.dtype, "float32")
        a_mac = _MULTIPLY_PJ[dtype] + _ADD_PJ[dtype]
        compute += layer.macs * a_mac
        compute += max(0, layer.flops - 2 * layer.macs) * _ADD_PJ[dtype]
        if layer.macs:
            used[dtype] = a_mac
        if layer.flops and not known:
            substitutes[layer.dtype] = dtype
    memory = a_byte * sum(layer.accessed_bytes for layer in layers)
    macs = ", ".join(f"{pj:.1f} pJ ({dtype})" for dtype, pj in used.items()) or "none"
    taken = "".join(f"; {ours} as {theirs}" for ours, theirs in substitutes.items())
    place = "1 MB of SRAM" if is_on_chip else "DRAM"
    return Energy(
        "modelled",
        (compute + memory) * millijoules,
        _SOURCE.format(macs=macs, memory=f"{a_byte:g}", place=place) + taken,
        compute * millijoules,
        memory * millijoules,
    )


def measure_energy(
    path: str | Path,
    num_threads: int = 1,
    *,
    batch_size: int = 1,
    seconds: float = 2.0,
    engine: Engine = LITERT,
    folder: Path = _POWERCAP,
) -> Energy:
    """Measures a .tflite file by Linux's powercap counters (RAPL), in its own process.

    They are read right before and right after the runs, so that neither the start of
    the process nor warming up is in it. They count whole processor packages: idle power
    and what other processes take meanwhile are in it. Neither is subtracted, for what
    a processor would have taken without the runs is not known.

    Args:
      path: the file.
      num_threads: the engine's, and the number of cores the process is held to.
      batch_size: examples in a run.
      seconds: that the runs take, about; one run, if that takes longer. No counter may
        pass its range twice in that time, which takes minutes.
      engine: what runs it.
      folder: where the counters are.

    Raises:
      ModelError: there are no counters, they cannot be read or stand still, or the file
        cannot be run.
    """
    packages = _packages(folder)
    reply = engine.measure(
        "energy",
        [path],
        num_threads=num_threads,
        batch_size=batch_size,
        seconds=seconds,
        counters=[str(package.counter) for package in packages],
    )
    # A counter that reaches its range begins at 0 again.
    spent = sum(
        (after - before) % (package.max_microjoules + 1)
        for package, before, after in zip(
            packages, reply["before"], reply["after"], strict=True
        )
    )
    if not spent:
        # As in many a virtual machine.
        raise ModelError(f"the powercap counters in {folder} stand still")
    num_runs = reply["num_runs"]
    names = ", ".join(package.name for package in packages)
    source = _COUNTERS.format(names=names, num_runs=num_runs)
    return Energy("measured", spent * 1e-3 / (num_runs * reply["batch_size"]), source)


class _Package(NamedTuple):
    """A processor package that counts its energy."""

    name: str
    counter: Path
    max_microjoules: int


def _packages(folder: Path) -> list[_Package]:
    packages = []
    try:
        # Intel and AMD alike; the same package may be shown a second time by MMIO.
        for zone in sorted(folder.glob("intel-rapl:*")):
            name = (zone / "name").read_text().strip()
            if not name.startswith("package"):
                continue
            limit = int((zone / "max_energy_range_uj").read_text())
            packages.append(_Package(name, zone / "energy_uj", limit))
            # Before the file is run for nothing: often only root may read it.
            int((zone / "energy_uj").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the powercap counters cannot be read: {error}; often only root may"
        ) from error
    if not packages:
        raise ModelError(f"no powercap counters in {folder}")
    return packages
