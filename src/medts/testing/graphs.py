"""Contract tests of devices and ONNX export of an encoder.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from medts.models.base import Encoder
from medts.models.graph import EncoderGraph, graph_inputs
from medts.models.settings.base import EncoderSettings
from medts.tensors.batch import move_to
from medts.testing.batches import make_batch

_EXPORT_TOLERANCE = 1e-3


def creates_tensors_where_the_batch_is(settings: EncoderSettings) -> None:
    """The encoder can be moved: it creates no tensor on a fixed device and forgets none behind.

    Its weights go to the ``meta`` device, where any tensor that stayed behind shows; then it runs
    while ``meta`` is the device of whatever names no device. Where there is an
    accelerator, it runs on that as well.
    """
    torch.manual_seed(0)
    encoder, batch = settings.build().eval(), make_batch(settings)
    with torch.no_grad():
        plain = encoder(batch).pooled
        with torch.device("meta"):
            try:
                moved = encoder(batch)
            except (RuntimeError, NotImplementedError, ValueError) as error:
                raise AssertionError(f"a tensor is created on a fixed device: {error}") from error
        for name in ("tokens", "is_valid", "pooled"):
            where = getattr(moved, name).device
            assert where == plain.device, f"{name} of a batch on {plain.device} is on {where}"
    if torch.accelerator.is_available():
        device = torch.accelerator.current_accelerator()
        assert device is not None
        with torch.no_grad():
            found = encoder.to(device)(move_to(batch, device)).pooled.cpu()
        assert torch.allclose(plain, found, atol=1e-2, rtol=1e-2), f"{device} embeds otherwise"
    encoder.to("meta")
    behind = [
        f"{part or 'encoder'}.{name}"
        for part, module in encoder.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor) and not value.is_meta
    ]
    assert not behind, f"tensors that do not move with the encoder: {', '.join(behind)}"


def exports_to_onnx(settings: EncoderSettings) -> None:
    """The graph in ONNX gives the same embedding, or the settings name what is in the way."""
    if settings.onnx_obstacle:
        return
    torch.manual_seed(0)
    encoder = settings.build().eval()
    inputs = graph_inputs(make_batch(settings, 2))
    with torch.no_grad():
        plain = EncoderGraph(encoder)(*inputs).numpy()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        export(encoder, inputs, path)
        found = run(path, inputs)
    apart = abs(found - plain).max()
    assert apart < _EXPORT_TOLERANCE, f"the graph in ONNX differs by {apart:.2g}"


def export(encoder: Encoder, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Writes the graph of an encoder for windows shaped like ``inputs``."""
    names = [f"x{number}" for number in range(len(inputs))]
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            torch.onnx.export(
                EncoderGraph(encoder),
                inputs,
                path,
                input_names=names,
                output_names=["pooled"],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter raises of an operator
        cause = str(error.__cause__ or error).strip().splitlines()
        raise AssertionError(
            f"the export to ONNX fails; name the operator in onnx_obstacle: {cause[:3]}"
        ) from error
    finally:
        logger.setLevel(level)


def run(path: Path, inputs: tuple[Tensor, ...]) -> Any:
    """Runs a graph and returns its one output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    fed = {
        each.name: value.numpy() for each, value in zip(session.get_inputs(), inputs, strict=True)
    }
    return session.run(None, fed)[0]
