"""From a Keras network to the model folder that ships: LiteRT file, manifest, card."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from shared.models.golden import golden_image
from shared.models.manifest import MODEL_FILE, Golden
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.networks.layers import PixelsToFloat

INTEGER = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "ADD"})
"""Operators that are int8 where a network is: those of a trunk between its input and its averages."""
LARGE = 4096
"""Bytes of weights that are worth halving."""
WIDENS_FLOAT16 = 3
"""Since this version DEQUANTIZE takes float16."""


def at_network_size(network: keras.Model, rebuilt: keras.Model) -> keras.Model:
    """`rebuilt`, the same network for 224 x 224 pictures, with the weights of `network`; it takes uint8."""
    rebuilt.set_weights(network.get_weights())
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
    return keras.Model(inputs, rebuilt(PixelsToFloat()(inputs)), name=network.name)


@dataclass(frozen=True)
class Integers:
    """What of a network computes in int8: convolutions of the `layers` whose names have one of these in them.

    Ranges of their maps are taken from the pictures in `seen`, uint8 (224, 224, 3) each. Averages and everything behind
    them stay float32, for they are what pictures are told apart by.
    """

    layers: Sequence[str]
    seen: Sequence[NetworkInput]


def export_litert(network: keras.Model, folder: Path, *, float16: bool, integers: Integers | None = None) -> Path:
    """Write `model.tflite`, `converted` as the other arguments say."""
    content = converted(network, float16=float16, integers=integers)
    path = folder / MODEL_FILE
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.replace(path)
    return path


def converted(network: keras.Model, *, float16: bool = False, integers: Integers | None = None) -> bytes:
    """The LiteRT file of a network of uint8 (n, 224, 224, 3); `float16` halves what weights are float."""
    import tensorflow as tf  # noqa: PLC0415 - only the export needs TensorFlow itself

    with tempfile.TemporaryDirectory() as saved:
        archive = keras.export.ExportArchive()
        archive.track(network)
        signature = [tf.TensorSpec((1, NETWORK_SIZE, NETWORK_SIZE, 3), tf.uint8, name="images")]
        archive.add_endpoint("serve", lambda images: network(images, training=False), signature)
        archive.write_out(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if integers:
            content = _quantised(converter, integers)
            return _halved(content) if float16 else content
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def _quantised(converter: Any, integers: Integers) -> bytes:
    """By TensorFlow's debugger, the way to leave operators out; it opens an old interpreter that nobody runs."""
    import tensorflow as tf  # noqa: PLC0415

    def options(names: Sequence[str]) -> Any:
        return tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_in_float(), denylisted_nodes=list(names))

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in integers.seen)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated", UserWarning)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=converter.representative_dataset, debug_options=options([])
        )
        outside = _outside(debugger.get_nondebug_quantized_model(), integers.layers)
        debugger.options = options(outside)
    return bytes(debugger.get_nondebug_quantized_model())


def _in_float() -> list[str]:
    """Every operator that LiteRT knows, but those that are int8."""
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator  # noqa: PLC0415

    return [name for name in vars(BuiltinOperator) if name.isupper() and name not in INTEGER]


def _outside(content: bytes, layers: Sequence[str]) -> list[str]:
    """Names of the operators that would be int8 and belong to none of the layers; ValueError where all are outside."""
    from tensorflow.lite.tools import flatbuffer_utils  # noqa: PLC0415

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    names = [
        graph.tensors[operator.outputs[0]].name.decode()
        for operator in graph.operators
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) in INTEGER
    ]
    outside = [name for name in names if not any(layer in name for layer in layers)]
    if len(outside) == len(names):
        raise ValueError(f"int8 names no part of the network: {', '.join(layers)}; name the trunk, or one of several")
    return outside


def _halved(content: bytes) -> bytes:
    """Float weights as float16 behind an operator that widens them, as the converter writes them where all is float."""
    from tensorflow.lite.python import schema_py_generated as schema  # noqa: PLC0415
    from tensorflow.lite.tools import flatbuffer_utils  # noqa: PLC0415

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    widen = schema.OperatorCodeT()
    widen.builtinCode = widen.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    widen.version = WIDENS_FLOAT16
    model.operatorCodes.append(widen)
    halves: dict[int, int] = {}
    widened = []
    for number, tensor in enumerate(list(graph.tensors)):
        kept = model.buffers[tensor.buffer]
        large = tensor.buffer in halves or (kept.data is not None and len(kept.data) >= LARGE)
        if tensor.type != schema.TensorType.FLOAT32 or not large:
            continue
        if tensor.buffer not in halves:  # tensors may share one
            half = copy.copy(tensor)
            half.name, half.type = tensor.name + b" half", schema.TensorType.FLOAT16
            kept.data = np.frombuffer(bytes(kept.data), "<f4").astype("<f2").view(np.uint8)
            halves[tensor.buffer] = len(graph.tensors)
            graph.tensors.append(half)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [halves[tensor.buffer]], [number]
        tensor.buffer = 0  # by the format's rule empty: it is computed
        widened.append(operator)
    graph.operators = widened + graph.operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def golden(answer: Callable[[NetworkInput], NDArray[np.floating]]) -> Golden:
    """What the trained network answers to the golden image; the exported one must agree."""
    output = np.asarray(answer(golden_image()), np.float32)[0]
    return Golden(output=tuple(round(float(value), 6) for value in output))
