"""Why a variant is, or is not, faster: graph, profile and roofline of each file in one place."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.energy.why.records import Cast, Delegated, Explanation, Machine, Profile, Why
from helpers.energy.why.roofline import bound_of, measure_machine
from helpers.lab import host
from helpers.lab.errors import reason_of
from helpers.lab.intervals import Absent
from helpers.lab.records import structured
from helpers.runtimes.catalogue import LITERT, get_runtime, runtime_of
from helpers.runtimes.contract import Runtime
from helpers.runtimes.litert.graph import Graph, count_types
from helpers.runtimes.litert.reader import read_facts, read_graph

# Flags that XNNPACK's kernels of a compute dtype can use, the most able first (x86-64, then Arm).
ISA_OF = {
    "float32": ("avx512f", "fma", "avx2", "avx", "asimd"),
    "int8": ("amx_int8", "avx512_vnni", "avx_vnni", "avx512bw", "avx2", "i8mm", "dotprod", "asimd"),
    "float16": ("avx512_fp16", "f16c", "asimdhp"),
}
# Weights of 4 bits are widened: to multiply them is 8-bit arithmetic.
ARITHMETIC = {"int8-dynamic": "int8", "int8x4": "int8", "int4-dynamic": "int8"}
# One VPDPBUSD does 4 multiply-adds in the place of one float32 (Intel SDM, vol. 2).
VNNI_GAIN = 4.0
INVOCATIONS = 50  # of every variant, while it is profiled
NOT_COUNTED = "counted in .tflite files alone"
NO_KERNEL_NAMES = "LiteRT does not tell which of XNNPACK's kernels it took"


def explain_files(
    files: Mapping[str, Path],
    machine: Machine | None = None,
    invocations: int = INVOCATIONS,
    threads: int = 1,
) -> Why:
    """Explain the time of every variant; takes some seconds per file.

    Args:
        files: variant -> its ``.tflite``.
        machine: what ``measure_machine`` returned earlier; None measures it now. It is for one
            thread: with more ``threads`` no bound is given.
    """
    machine = machine or measure_machine()
    variants, failures = {}, {}
    for name, path in files.items():
        try:
            variants[name] = explain_file(Path(path), machine, invocations, threads)
        except Exception as error:  # a file or a profiler of any kind; the other variants go on
            failures[name] = reason_of(error)
    flags = tuple(host.isa_flags())
    return Why(machine, flags, threads, int8_kernels(machine, flags), variants, failures)


def explain_file(path: Path, machine: Machine, invocations: int, threads: int) -> Explanation:
    """Dtypes, counts, bytes, bound and profile of a file."""
    runtime = get_runtime(runtime_of(path))
    profile = profiled(runtime, path, invocations, threads)
    if runtime is LITERT:
        return explain_graph(path, machine, profile, threads)
    facts, stored, unknown = runtime.facts(path), runtime.stored(path), Absent(NOT_COUNTED)
    weights = stored if isinstance(stored, Absent) else stored.weights_bytes
    return Explanation(
        runtime=runtime.title,
        storage_dtype=facts.storage_dtype,
        compute_dtype=facts.compute_dtype,
        isa=usable_isa(facts.compute_dtype, host.isa_flags()),
        kernels=Absent(f"see the names of {runtime.title}'s operators"),
        operators=facts.operators,
        folded=unknown,
        casts=unknown,
        macs=unknown,
        macs_by_kind={},
        bytes_moved=unknown,
        weights_bytes=weights,
        weights_by_dtype=unknown,
        constants_bytes=unknown,
        file_bytes=sum(file.stat().st_size for file in runtime.files(path)),
        bound=unknown,
        profile=profile,
        delegated=Absent("XNNPACK is LiteRT's"),
    )


def explain_graph(path: Path, machine: Machine, profile: Profile | Absent, threads: int) -> Explanation:
    """Of a ``.tflite``, whose graph tells the rest."""
    facts, graph = read_facts(path), read_graph(path)
    return Explanation(
        runtime=LITERT.title,
        storage_dtype=facts.storage_dtype,
        compute_dtype=facts.compute_dtype,
        isa=usable_isa(facts.compute_dtype, host.isa_flags()),
        kernels=Absent(NO_KERNEL_NAMES),
        operators=count_types(graph.running()),
        folded=len(graph.operators) - len(graph.running()),
        casts=tuple(Cast(**vars(boundary)) for boundary in graph.boundaries()),
        macs=graph.macs,
        macs_by_kind=by_kind(graph),
        bytes_moved=graph.bytes_moved,
        weights_bytes=graph.weights_bytes,
        weights_by_dtype=graph.weights_by_dtype,
        constants_bytes=graph.constants_bytes,
        file_bytes=graph.file_bytes,
        bound=bound_of(graph, machine) if threads == 1 else Absent("the peaks are those of one thread"),
        profile=profile,
        delegated=delegated(graph, profile),
    )


def profiled(runtime: Runtime, path: Path, invocations: int, threads: int) -> Profile | Absent:
    found = runtime.profile(path, invocations, threads)
    return Absent(found["absent"]) if "absent" in found else structured(Profile, found)


def by_kind(graph: Graph) -> dict[str, int]:
    """Multiply-adds of each kind that has any."""
    counts: Counter[str] = Counter()
    for operator in graph.operators:
        counts[operator.kind] += operator.macs
    return {kind: count for kind, count in counts.items() if count}


def delegated(graph: Graph, profile: Profile | Absent) -> Delegated | Absent:
    """What XNNPACK runs.

    LiteRT's profiler names the nodes that LiteRT's own kernels ran; XNNPACK took all others.
    """
    if isinstance(profile, Absent):
        return profile
    left = {timed.node for timed in profile.operators if timed.runs_by == LITERT.title}
    running = graph.running()
    remaining = [operator for operator in running if operator.index in left]
    macs = 1 - sum(op.macs for op in remaining) / graph.macs if graph.macs else 0.0
    return Delegated(1 - len(remaining) / len(running), macs, count_types(remaining))


def usable_isa(compute_dtype: str, flags: Iterable[str]) -> tuple[str, ...]:
    """Flags of this machine that kernels of a compute dtype can use, the most able first."""
    present = set(flags)
    known = ISA_OF.get(ARITHMETIC.get(compute_dtype, compute_dtype), ())
    return tuple(flag for flag in known if flag in present)


def int8_kernels(machine: Machine, flags: Iterable[str]) -> str:
    """What the measured peaks tell of the int8 kernels; which kernel ran is not told by LiteRT."""
    peaks, present = machine.peak_macs_per_s, set(flags)
    gain = peaks["int8"] / peaks["float32"]
    text = f"On large layers int8 reaches {gain:.1f} times the multiply-adds per second of float32"
    if gain > VNNI_GAIN and "amx_int8" in present:
        return f"{text}; AVX512-VNNI alone gives {VNNI_GAIN:g} times at most, so AMX is in use."
    return f"{text}."
