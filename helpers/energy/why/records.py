"""What is recorded of why a variant is, or is not, faster. What cannot be known is the reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.lab.intervals import Absent
from helpers.lab.records import Number


@dataclass(frozen=True)
class Copy:
    """Bandwidth of one copy.

    Attributes:
        size_bytes: what it reads and writes together; small ones stay in a cache.
    """

    size_bytes: int
    bytes_per_s: Number


@dataclass(frozen=True)
class Machine:
    """What this machine could do at best, on one thread.

    Attributes:
        peak_macs_per_s: compute dtype -> multiply-adds per second.
    """

    peak_macs_per_s: Mapping[str, Number]
    bandwidth: tuple[Copy, ...]


@dataclass(frozen=True)
class Bound:
    """Time that a file takes at least.

    Attributes:
        ms: the sum over its operators.
        kinds: kind of operator -> ms.
        arithmetic_ms, bytes_ms: of operators whose bound is set by their arithmetic, and by their bytes.
    """

    ms: Number
    kinds: Mapping[str, Number]
    arithmetic_ms: Number
    bytes_ms: Number


@dataclass(frozen=True)
class Timed:
    """An operator as the profiler tells it.

    Attributes:
        kind: one of ``kinds_of_operators.KINDS``.
        runs_by: what ran it: "XNNPACK" or "LiteRT", or the title of another runtime.
        node: its number in the graph; None inside XNNPACK's part.
        us: mean over the faster half of the invocations.
    """

    name: str
    kind: str
    runs_by: str
    node: int | None
    us: Number


@dataclass(frozen=True)
class Profile:
    """Time by operator; the operators and ``between_us`` add up to ``whole_mean_us``.

    Attributes:
        plain_us: of each invocation without profiler.
        whole_us: of each invocation with it.
        whole_mean_us: mean over the faster half of those.
        between_us: spent outside of every operator.
    """

    invocations: int
    threads: int
    plain_us: tuple[Number, ...]
    whole_us: tuple[Number, ...]
    operators: tuple[Timed, ...]
    whole_mean_us: Number
    between_us: Number


@dataclass(frozen=True)
class Delegated:
    """What XNNPACK runs.

    Attributes:
        operators, macs: its share of operators and of multiply-adds, 0..1.
        left: type of operator -> how many it left to LiteRT's own kernels.
    """

    operators: Number
    macs: Number
    left: Mapping[str, int]


@dataclass(frozen=True)
class Cast:
    """An operator that only changes the dtype, or the scale, and its neighbours."""

    operator: int
    type: str
    before: str
    after: str
    from_dtype: str
    to_dtype: str


@dataclass(frozen=True)
class Explanation:
    """One file. What only a ``.tflite`` tells is absent of another runtime's, with the reason.

    Attributes:
        runtime: title of what runs it.
        isa: flags of this machine that its kernels can use, the most able first.
        kernels: why it is not known which they are.
        operators: type -> how many run.
        folded: operators that are computed at load.
        casts: those that run.
        macs_by_kind: multiply-adds of each kind of operator that has any.
    """

    runtime: str
    storage_dtype: str
    compute_dtype: str
    isa: tuple[str, ...]
    kernels: Absent
    operators: Mapping[str, int]
    folded: int | Absent
    casts: tuple[Cast, ...] | Absent
    macs: int | Absent
    macs_by_kind: Mapping[str, int]
    bytes_moved: int | Absent
    weights_bytes: int | Absent
    weights_by_dtype: Mapping[str, int] | Absent
    constants_bytes: int | Absent
    file_bytes: int
    bound: Bound | Absent
    profile: Profile | Absent
    delegated: Delegated | Absent


@dataclass(frozen=True)
class Why:
    """All files of a model.

    Attributes:
        machine: None where it could not be measured; nothing is explained then.
        isa_flags: of the processor.
        int8_kernels: a sentence on what the peaks tell of them.
        variants: those that could be explained.
        failures: variant -> why it could not.
    """

    machine: Machine | None
    isa_flags: tuple[str, ...]
    threads: int
    int8_kernels: str
    variants: Mapping[str, Explanation]
    failures: Mapping[str, str]
