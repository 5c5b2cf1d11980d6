"""Run by test_triton.py: compiles every kernel for a GPU that need not be there.

Where a kernel would be launched it is compiled, for the types of the arguments at hand.
"""

from __future__ import annotations

import re

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from salanet import ops
from salanet.ops import triton_search, triton_subsample
from salanet.ops.aggregation import triton_sala, triton_sala_backward, triton_simple
from salanet.ops.aggregation.arguments import AggregationOptions, Inputs

POINTERS = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.bfloat16: "*bf16",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.uint8: "*u8",
}
compiled = {}


def compile_only(kernel, *arguments, grid, warmup, **options):
    del grid, warmup
    named = dict(zip(kernel.arg_names, arguments, strict=False))
    named |= {name: options.pop(name) for name in kernel.arg_names if name in options}
    constants = {p.name: named[p.name] for p in kernel.params if p.is_constexpr}
    constants |= {name: None for name, value in named.items() if value is None}
    signature = {name: type_of(named[name], name in constants) for name in kernel.arg_names}
    compiled[kernel.fn.__name__] = triton.compile(
        ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 80, 32), options=options
    )


def type_of(value, constant: bool) -> str:
    if constant:
        return "constexpr"
    if isinstance(value, torch.Tensor):
        return POINTERS[value.dtype]
    return "fp32" if isinstance(value, float) else "i32"


triton.runtime.JITFunction.run = compile_only

m, n, k, groups, channels, lifted = 20, 30, 4, 2, 18, 8
queries, supports = torch.rand(m, 3), torch.rand(n, 3)
neighbours = torch.randint(0, n + 1, (m, k)).int()
lift = (torch.rand(lifted, 3), torch.rand(lifted))
inputs = Inputs(
    *(queries, supports, neighbours, torch.rand(n, groups * channels).bfloat16(), *lift),
    *(torch.rand(lifted, lifted), torch.rand(lifted), torch.rand(groups, lifted)),
    *(torch.rand(groups), torch.rand(groups * channels, lifted), torch.rand(groups * channels)),
)
options = AggregationOptions(0.5, groups, "relu", "max", "soft")
out, slots = triton_sala.forward(inputs, options, keep_slots=True)
triton_sala_backward.backward(inputs, options, out, slots)
out, slots = triton_simple.max_forward(inputs.projected, neighbours, keep_slots=True)
triton_simple.max_backward(inputs.projected, neighbours, out, slots)
sums, _, gram = triton_simple.moments_forward(queries, supports, neighbours, *lift, 0.5)
triton_simple.moments_backward(queries, supports, neighbours, *lift, 0.5, sums, gram)
triton_search.radius_search(ops.PointIndex(queries), ops.PointIndex(supports), 0.5, 26)
triton_subsample.grid_subsample(supports, 0.5, torch.tensor([0, n]), {}, {})

# One rounding less would be another distance, and other neighbours than the CPU's.
assert not re.search(r"fma\.rn", compiled["_search"].asm["ptx"])
assert len(compiled) == 8, sorted(compiled)
