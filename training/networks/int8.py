"""Conversion of a Keras network to LiteRT, in float or partly in int8.

In int8 a backbone takes half the time and a quarter of the memory. Rounding changes its features by about half of the
difference between images, so a head must be fitted to the features of the int8 backbone (`Int8Backbone`), not before.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.networks.layers import PixelsToFloat

CALIBRATION_IMAGES = 300
"""Images that the ranges of the int8 maps are taken from."""
INTEGER = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "ADD"})
"""Operators that run in int8: those of a backbone between its input and its averages."""
LARGE = 4096
"""Smallest weights that are stored as float16, in bytes."""
WIDENS_FLOAT16 = 3
"""First version of DEQUANTIZE that takes float16."""


@dataclass(frozen=True)
class Int8Parts:
    """The part of a network to run in int8: convolutions of layers whose name contains one of `layers`.

    The ranges of their maps are taken from `images`, each uint8 (224, 224, 3). Averages and later layers stay float32.
    """

    layers: Sequence[str]
    images: Sequence[NetworkInput]


def convert_litert(network: keras.Model, *, float16: bool = False, int8: Int8Parts | None = None) -> bytes:
    """Return the LiteRT file of a network, for one image. `float16` stores float weights as float16."""
    import tensorflow as tf  # noqa: PLC0415 - only the export needs TensorFlow itself

    with tempfile.TemporaryDirectory() as saved:
        archive = keras.export.ExportArchive()
        archive.track(network)
        (images,) = network.inputs
        signature = [tf.TensorSpec((1, *images.shape[1:]), images.dtype, name="images")]
        archive.add_endpoint("serve", lambda images: network(images, training=False), signature)
        archive.write_out(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if int8:
            content = _quantised(converter, int8)
            return _halved(content) if float16 else content
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def _quantised(converter: Any, int8: Int8Parts) -> bytes:
    """Quantise with TensorFlow's debugger, which can leave operators out. It warns of an unused interpreter."""
    import tensorflow as tf  # noqa: PLC0415

    def options(names: Sequence[str]) -> Any:
        return tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_in_float(), denylisted_nodes=list(names))

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in int8.images)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated", UserWarning)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=converter.representative_dataset, debug_options=options([])
        )
        outside = _outside(debugger.get_nondebug_quantized_model(), int8.layers)
        debugger.options = options(outside)
    return bytes(debugger.get_nondebug_quantized_model())


def _in_float() -> list[str]:
    """Return every operator of LiteRT except those in `INTEGER`."""
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator  # noqa: PLC0415

    return [name for name in vars(BuiltinOperator) if name.isupper() and name not in INTEGER]


def _outside(content: bytes, layers: Sequence[str]) -> list[str]:
    """Return the names of int8 operators outside the layers. ValueError if no layer has one of the names."""
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
        raise ValueError(
            f"int8_layers names no part of the network: {', '.join(layers)}. Name the backbone or a layer."
        )
    return outside


def _halved(content: bytes) -> bytes:
    """Store float weights as float16 behind a DEQUANTIZE operator, as the converter does for float networks."""
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
        tensor.buffer = 0  # the format's empty buffer: the tensor is computed
        widened.append(operator)
    graph.operators = widened + graph.operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class Int8Backbone:
    """An int8 backbone with the features of the exported network, in place of one for float (n, 224, 224, 3)."""

    def __init__(self, backbone: keras.Model, int8: Int8Parts) -> None:
        inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
        network = keras.Model(inputs, backbone(PixelsToFloat()(inputs)), name=backbone.name)
        content = convert_litert(network, int8=int8)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / MODEL_FILE).write_bytes(content)
            self._session = LiteRTSession(Path(folder))

    def predict_on_batch(self, images: NDArray[np.floating] | NetworkInput) -> NDArray[np.float32]:
        """Return the features, float32 (n, d), of uint8 (n, 224, 224, 3) or floats with integer values."""
        return self._session.run(np.asarray(images, np.uint8))
