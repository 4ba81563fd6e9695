"""Recipes of MedualTime, of its ablations and controls, and of the baselines that read reports.

``medualtime_paper`` has the sizes of the authors' code and wants GPT-2 and ClinicalBERT; all
others read with ``minilm``, which comes in a package. Every report tells something about the
labels: never state a fused score without ``medualtime_text_only`` and ``medualtime_signal_only``
beside it, and the scores of `medts.evaluation.text_controls`.
"""

from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing
from medts.models.settings.gpt4ts import Gpt4tsConfig
from medts.models.settings.heads import HeadConfig
from medts.models.settings.medualtime import MedualTimeConfig
from medts.models.settings.text_linear import TextLinearConfig
from medts.nn.settings import TextConfig
from medts.objectives.settings.dual_contrast import DualContrastConfig
from medts.signal.preprocess import Preprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

_CLEANED = Preprocessing(reports=ReportSettings())
_REDACTED = Preprocessing(reports=ReportSettings(is_redacted=True))
_CONSTANT = Preprocessing(reports=ReportSettings(stands_in="report"))
_LINEAR = HeadConfig(hidden=0, dropout=0.0, normalise=False)
_TINY = TextConfig(name="random-tiny-gpt2", max_tokens=512)
_SLOW_RATIO = 0.05
"""Learning rate of a trained language model over that of what is new around it: 5e-5 of 1e-3."""


def medualtime() -> Recipe:
    """All blocks but the lowest adapted, gates of their own, sometimes one modality left out."""
    return Recipe(
        name="medualtime",
        encoder=MedualTimeConfig(),
        head=_LINEAR,
        preprocessing=_CLEANED,
        windowing=Windowing(window_s=10.0, stride_s=10.0),
        training=Training(epochs=20, batch_size=32, learning_rate=1e-3, schedule="cosine"),
    )


def medualtime_paper() -> Recipe:
    """GPT-2 small and ClinicalBERT, 907,145 trained parameters for five classes; a GPU is advised.

    The authors halve the learning rate after every epoch; ours falls by a cosine. Reports are
    read as they were written, as theirs are, codes of annotators included.
    """
    return medualtime().but(
        name="medualtime_paper",
        preprocessing=Preprocessing(),
        encoder=MedualTimeConfig(
            language_model=TextConfig(name="gpt2", max_tokens=1024),
            text_encoder=TextConfig(name="medicalai/ClinicalBERT", max_tokens=512),
            text_pool="first",
            n_adapted=11,
            is_gate_shared=True,
            is_message_normed=False,
            pool="last",
            modality_dropout=0.0,
        ),
        training=Training(
            epochs=40,
            batch_size=32,
            learning_rate=1e-3,
            schedule="cosine",
            warmup_ratio=0.0,
            gradient_clip=0.0,
            monitor="loss",
        ),
    )


def medualtime_small() -> Recipe:
    """Longer patches, short reports, half the blocks adapted, thin convolutions: for two cores."""
    base = medualtime()
    return base.but(
        name="medualtime_small",
        encoder=MedualTimeConfig(
            language_model=TextConfig(name="minilm", max_tokens=64),
            n_adapted=3,
            patch=50,
            conv_widths=(32, 64, 64),
            conv_stride=4,
        ),
        training=base.training.but(epochs=8, precision="bf16"),
    )


def medualtime_small_redacted() -> Recipe:
    """``medualtime_small`` as a control: no sentence that names a class is read."""
    return medualtime_small().but(name="medualtime_small_redacted", preprocessing=_REDACTED)


def medualtime_small_signal_only() -> Recipe:
    """``medualtime_small`` as a control: every report is hidden."""
    return _small("medualtime_small_signal_only", reads="signal")


def medualtime_small_constant_text() -> Recipe:
    """``medualtime_small`` as a control: one word is every recording's report.

    With nothing to read the text pass, and the network that injects the signal into it, would be
    left out; here they work, and only what reports say is missing.
    """
    return medualtime_small().but(name="medualtime_small_constant_text", preprocessing=_CONSTANT)


def medualtime_small_text_only() -> Recipe:
    """``medualtime_small`` as a control: every signal is hidden."""
    return _small("medualtime_small_text_only", reads="text")


def medualtime_small_text_only_redacted() -> Recipe:
    """``medualtime_small`` as a control: neither a signal nor a sentence that names a class."""
    base = medualtime_small_text_only()
    return base.but(name="medualtime_small_text_only_redacted", preprocessing=_REDACTED)


def medualtime_small_unadapted() -> Recipe:
    """``medualtime_small`` without adapters: passes that hear nothing of each other."""
    return _small("medualtime_small_unadapted", n_adapted=0)


def medualtime_small_unadapted_redacted() -> Recipe:
    """An ablation of ``medualtime_small_redacted``: passes that hear nothing of each other."""
    return _redacted("medualtime_small_unadapted_redacted", n_adapted=0)


def medualtime_small_signal_pass() -> Recipe:
    """An ablation of ``medualtime_small_redacted``: the signal pass, which hears of the report."""
    return _redacted("medualtime_small_signal_pass", passes="signal")


def medualtime_small_text_pass() -> Recipe:
    """An ablation of ``medualtime_small_redacted``: the text pass, which hears of the signal."""
    return _redacted("medualtime_small_text_pass", passes="text")


def medualtime_small_trained_trunk() -> Recipe:
    """A control of ``medualtime_small_redacted``: the language model is trained too."""
    base = _redacted("medualtime_small_trained_trunk", is_language_model_trained=True)
    return base.but(training=base.training.but(layer_decay=_SLOW_RATIO))


def medualtime_test() -> Recipe:
    """Seconds on one core, with an untrained language model; for tests."""
    base = medualtime()
    return base.but(
        name="medualtime_test",
        encoder=MedualTimeConfig(language_model=_TINY, patch=50, conv_widths=(4, 8), conv_stride=4),
        windowing=Windowing(window_s=5.0, stride_s=5.0),
        training=base.training.but(epochs=2, batch_size=16),
    )


def medualtime_signal_pass() -> Recipe:
    """An ablation: the signal pass alone, which hears of the report."""
    return _variant("medualtime_signal_pass", passes="signal")


def medualtime_text_pass() -> Recipe:
    """An ablation: the text pass alone, which hears of the signal."""
    return _variant("medualtime_text_pass", passes="text")


def medualtime_unadapted() -> Recipe:
    """An ablation: both passes, neither of which hears of the other."""
    return _variant("medualtime_unadapted", n_adapted=0)


def medualtime_gated() -> Recipe:
    """An ablation: the weights of the two passes are learnt, in place of their mean."""
    return _variant("medualtime_gated", fusion="gate")


def medualtime_concatenated() -> Recipe:
    """An ablation: the two passes side by side, in place of their mean."""
    return _variant("medualtime_concatenated", fusion="concat")


def medualtime_signal_only() -> Recipe:
    """A control: the same model, from which every report is hidden."""
    return _variant("medualtime_signal_only", reads="signal")


def medualtime_text_only() -> Recipe:
    """A control: the same model, from which every signal is hidden."""
    return _variant("medualtime_text_only", reads="text")


def medualtime_redacted() -> Recipe:
    """A control: no sentence that names a class of the label set is read."""
    return medualtime().but(name="medualtime_redacted", preprocessing=_REDACTED)


def medualtime_text_only_redacted() -> Recipe:
    """A control: neither a signal nor a sentence that names a class."""
    return medualtime_text_only().but(name="medualtime_text_only_redacted", preprocessing=_REDACTED)


def medualtime_random_trunk() -> Recipe:
    """A control: an untrained language model of minilm's shape."""
    return _variant("medualtime_random_trunk", language_model=TextConfig(name="random-minilm"))


def medualtime_trained_trunk() -> Recipe:
    """A control: the language model is trained too, thirty times as many parameters."""
    base = _variant("medualtime_trained_trunk", is_language_model_trained=True)
    return base.but(training=base.training.but(layer_decay=_SLOW_RATIO))


def text_linear() -> Recipe:
    """A baseline: the frozen vector of the report under a linear head; no signal at all."""
    return medualtime().but(
        name="text_linear",
        encoder=TextLinearConfig(),
        head=HeadConfig(hidden=0, dropout=0.0, normalise=True),
        training=Training(epochs=20, batch_size=64, learning_rate=1e-2, schedule="cosine"),
    )


def text_linear_redacted() -> Recipe:
    """The same without sentences that name a class."""
    return text_linear().but(name="text_linear_redacted", preprocessing=_REDACTED)


def gpt4ts() -> Recipe:
    """A baseline: patches through a language model whose norms learn; no report at all."""
    return medualtime().but(name="gpt4ts", encoder=Gpt4tsConfig())


def gpt4ts_prompt() -> Recipe:
    """A baseline: the report as a prompt before the patches, the plainest fusion."""
    return gpt4ts().but(name="gpt4ts_prompt", encoder=Gpt4tsConfig(prompt="report"))


def gpt4ts_small() -> Recipe:
    """``gpt4ts`` with the patches, epochs and precision of ``medualtime_small``."""
    encoder = Gpt4tsConfig(language_model=TextConfig(name="minilm", max_tokens=64), patch=50)
    return medualtime_small().but(name="gpt4ts_small", encoder=encoder)


def gpt4ts_prompt_small() -> Recipe:
    """``gpt4ts_prompt`` likewise, without sentences that name a class."""
    base = gpt4ts_small()
    return base.but(
        name="gpt4ts_prompt_small",
        encoder=base.encoder.but(prompt="report"),
        preprocessing=_REDACTED,
    )


def medualtime_pretraining() -> Recipe:
    """Passes agree with noisy views, then with each other; four epochs, as in the paper."""
    return Recipe(
        name="medualtime",
        encoder=MedualTimeConfig(),
        objective=DualContrastConfig(),
        preprocessing=_CLEANED,
        windowing=Windowing(window_s=10.0, stride_s=10.0),
        training=Training(
            epochs=4, batch_size=64, learning_rate=1e-3, schedule="cosine", monitor="loss"
        ),
    )


def medualtime_small_pretraining() -> Recipe:
    """The same with the sizes and the precision of ``medualtime_small``; reads whole reports."""
    base, small = medualtime_pretraining(), medualtime_small()
    return base.but(
        name="medualtime_small",
        encoder=small.encoder,
        training=base.training.but(precision=small.training.precision),
    )


def medualtime_test_pretraining() -> Recipe:
    """Seconds on one core; for tests."""
    base = medualtime_pretraining()
    return base.but(
        name="medualtime_test",
        encoder=medualtime_test().encoder,
        windowing=Windowing(window_s=5.0, stride_s=5.0),
        training=base.training.but(epochs=2, batch_size=16),
    )


def _variant(name: str, **changes: object) -> Recipe:
    """Returns ``medualtime`` with an encoder that differs in what is named."""
    return medualtime().but(name=name, encoder=MedualTimeConfig(**changes))  # pyright: ignore[reportArgumentType]


def _small(name: str, **changes: object) -> Recipe:
    """Returns ``medualtime_small`` with an encoder that differs in what is named."""
    base = medualtime_small()
    assert isinstance(base.encoder, MedualTimeConfig)
    return base.but(name=name, encoder=base.encoder.but(**changes))


def _redacted(name: str, **changes: object) -> Recipe:
    """Returns ``medualtime_small_redacted`` with an encoder that differs in what is named."""
    return _small(name, **changes).but(preprocessing=_REDACTED)
