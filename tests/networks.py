"""Tiny ONNX networks with the inputs and outputs of real pose networks: what they answer is known beforehand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(
    path: Path,
    shape: list[int | str],
    outputs: dict[str, np.ndarray],
    score: tuple[str, tuple[int, ...], float] | None = None,
) -> Path:
    """A network that gives `outputs`, whatever it sees.

    Args:
        shape: of its input, strings for sizes that are free.
        score: an output, a place in it, and by what the mean of the input's third colour is multiplied before it is
            added there.
    """
    nodes, values = [], []
    for name, value in outputs.items():
        value = value.astype(np.float32)
        values.append(numpy_helper.from_array(value, f"{name}_value"))
        weight = np.zeros_like(value)
        if score is not None and score[0] == name:
            weight[score[1]] = score[2]
        values.append(numpy_helper.from_array(weight, f"{name}_weight"))
        nodes.append(helper.make_node("Mul", ["mean", f"{name}_weight"], [f"{name}_seen"]))
        nodes.append(helper.make_node("Add", [f"{name}_seen", f"{name}_value"], [name]))
    axis = 1 if shape[1] == 3 else 3
    values.append(numpy_helper.from_array(np.array(2), "third"))
    values.append(numpy_helper.from_array(np.array([0, 1, 2]), "all"))
    seen = [
        helper.make_node("Gather", ["image", "third"], ["colour"], axis=axis),
        helper.make_node("ReduceMean", ["colour", "all"], ["mean"], keepdims=0),
    ]
    graph = helper.make_graph(
        [*seen, *nodes],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in outputs.items()],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
