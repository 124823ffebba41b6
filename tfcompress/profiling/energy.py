"""Energy of one run: measured by the processor's counters, or modelled from counts.

The two are told apart by `kind`, and never added or compared to each other here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tfcompress.profiling.counts import LayerProfile

_POWERCAP = Path("/sys/class/powercap")

# Picojoules in 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem (and what we
# can do about it)", ISSCC 2014, figure 1.1.9. An int8 product is added to an int32 sum.
# It has no 16-bit integers: those are taken as 32 bits, which is above the truth.
_MULTIPLY_PJ = {"int8": 0.2, "int16": 3.1, "float16": 1.1, "float32": 3.7}
_ADD_PJ = {"int8": 0.1, "int16": 0.1, "float16": 0.4, "float32": 0.9}
_SRAM_PJ_A_BYTE = 100 / 8  # a 64-bit access of a memory of 1 MB
_DRAM_PJ_A_BYTE = 1300 / 8  # the lower end of 1.3 to 2.6 nJ for 64 bits
_SRAM_BYTES = 1 << 20
_SOURCE = (
    "45 nm, Horowitz ISSCC 2014: MAC {macs}; memory {memory} pJ a byte ({place}), each "
    "tensor read and written once"
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


def modelled_energy(layers: Iterable[LayerProfile], peak_memory_bytes: int) -> Energy:
    """Returns the energy of one example, from multiply-accumulates and bytes.

    Memory is on the chip (a block of 1 MB) if the weights and the activations that are
    alive at once fit there, and DRAM otherwise.

    Args:
      layers: with their MACs, operations and bytes.
      peak_memory_bytes: of activations.

    References:
      M. Horowitz, "Computing's energy problem (and what we can do about it)", IEEE
      International Solid-State Circuits Conference, 2014, figure 1.1.9.
    """
    layers = tuple(layers)
    weight_bytes = sum(sum(layer.weight_bytes.values()) for layer in layers)
    is_on_chip = weight_bytes + peak_memory_bytes <= _SRAM_BYTES
    a_byte = _SRAM_PJ_A_BYTE if is_on_chip else _DRAM_PJ_A_BYTE
    compute, used = 0.0, {}
    for layer in layers:
        dtype = layer.dtype if layer.dtype in _ADD_PJ else "float32"
        a_mac = _MULTIPLY_PJ[dtype] + _ADD_PJ[dtype]
        compute += layer.macs * a_mac
        compute += max(0, layer.flops - 2 * layer.macs) * _ADD_PJ[dtype]
        if layer.macs:
            used[dtype] = a_mac
    memory = a_byte * sum(layer.accessed_bytes for layer in layers)
    macs = ", ".join(f"{pj:.1f} pJ ({dtype})" for dtype, pj in used.items()) or "none"
    place = "1 MB of SRAM" if is_on_chip else "DRAM"
    return Energy(
        "modelled",
        (compute + memory) * 1e-9,
        _SOURCE.format(macs=macs, memory=f"{a_byte:g}", place=place),
        compute * 1e-9,
        memory * 1e-9,
    )


def measured_energy(
    run: Callable[[], int], folder: Path = _POWERCAP
) -> tuple[Energy | None, str]:
    """Returns the energy of one example by Linux's powercap counters (RAPL).

    They count whole processor packages: idle power and other processes are in it.

    Args:
      run: does the work, all of which counts, such as the start of a process; returns
        the number of examples.
      folder: where the counters are.

    Returns:
      The energy, and why there is none, which is empty where there is one.
    """
    try:
        # Intel and AMD alike; the same package may be shown a second time by MMIO.
        packages = [
            package
            for package in sorted(folder.glob("intel-rapl:*"))
            if (package / "name").read_text().startswith("package")
        ]
        if not packages:
            return None, f"no powercap counters in {folder}"
        before = [_microjoules(package) for package in packages]
        num_examples = run()
        after = [_microjoules(package) for package in packages]
        ranges = [_microjoules(p, "max_energy_range_uj") for p in packages]
        names = [(package / "name").read_text().strip() for package in packages]
    except (OSError, ValueError) as error:
        return None, f"the powercap counters cannot be read: {error}"
    # A counter that reaches its range begins at 0 again.
    spent = sum(
        (end - start) % (limit + 1)
        for start, end, limit in zip(before, after, ranges, strict=True)
    )
    source = (
        f"Linux powercap, whole processor: {', '.join(names)}; start of the process "
        "included"
    )
    return Energy("measured", spent * 1e-3 / num_examples, source), ""


def _microjoules(package: Path, name: str = "energy_uj") -> int:
    return int((package / name).read_text())
