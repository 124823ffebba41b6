"""What only a run can tell of a .tflite file: time, allocated memory, energy."""

from __future__ import annotations

from dataclasses import replace

from tfcompress.errors import ModelError
from tfcompress.profiling.arenas import measure_arenas
from tfcompress.profiling.energy import Energy, measure_energy
from tfcompress.profiling.latency import measure_latency
from tfcompress.profiling.profile import Profile
from tfcompress.profiling.runtime_ops import RuntimeOp, measure_runtime_ops


def with_measurements(profile: Profile, num_threads: int, batch_size: int) -> Profile:
    """Returns the profile of a .tflite file with what running it tells.

    Args:
      profile: of the file that it names as its source.
      num_threads: LiteRT's, and the number of cores the runs are held to.
      batch_size: examples in a run; operators and arenas are of the file's own batch,
        which a note tells.

    Returns:
      The profile with a note instead, if LiteRT cannot run the file.
    """
    path, notes = profile.source, list(profile.notes)
    try:
        latency = measure_latency(path, num_threads, batch_size=batch_size)
    except ModelError as error:
        notes.append(f"it was not run: {error}")
        return replace(profile, notes=tuple(notes))
    if batch_size > 1:
        notes.append(
            f"latency and measured energy are of runs of {latency.batch_size}; counts, "
            "times by operator and arenas are of the file's own batch"
        )
    energy: Energy | None = None
    try:
        energy = measure_energy(path, num_threads, batch_size=batch_size)
    except ModelError as error:
        notes.append(f"energy is modelled only: {error}")
    runtime_ops: tuple[RuntimeOp, ...] = ()
    try:
        runtime_ops = measure_runtime_ops(path, num_threads)
    except ModelError as error:
        notes.append(f"times by operator are not known: {error}")
    arenas, missing = measure_arenas(path)
    return replace(
        profile,
        totals=replace(
            profile.totals, latency_ms=latency.to_dict(), measured_energy=energy
        ),
        arenas=arenas,
        runtime_ops=runtime_ops,
        notes=(*notes, *missing),
    )
