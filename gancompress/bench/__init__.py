"""Generators against each other: latency, throughput, memory, size and energy in every runtime."""

from gancompress.bench.energy import Counters, find_counters
from gancompress.bench.measure import Pictures, compare
from gancompress.bench.runtimes import (
    COMPILED,
    EAGER,
    Runtime,
    check_runtime,
    named_runtimes,
    runtimes_here,
)
from gancompress.bench.settings import Settings
from gancompress.bench.subject import (
    Subject,
    check_alike,
    check_batches,
    check_runtimes,
    exported_file,
    saved_model,
)

__all__ = [
    "COMPILED",
    "EAGER",
    "Counters",
    "Pictures",
    "Runtime",
    "Settings",
    "Subject",
    "check_alike",
    "check_batches",
    "check_runtime",
    "check_runtimes",
    "compare",
    "exported_file",
    "find_counters",
    "named_runtimes",
    "runtimes_here",
    "saved_model",
]
