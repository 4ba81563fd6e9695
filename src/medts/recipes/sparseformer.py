"""Recipes of Sparseformer: the paper's, ours, a small one for two cores, and the ablations.

MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, arXiv:2503.15578). The paper prints AdamW, a
cosine, batch 32, at most 60 epochs and patience 7; learning rate, decay and dropout are not in the
main text and ours. It chooses the epoch by macro F1, we by macro AUROC. Classes are known by their
words unless a recipe says otherwise; reading these needs the extra [text], and the texts' vectors
are then kept with the model.
"""

from typing import Any

from medts.core.montage import MONTAGES
from medts.data.windowing import Windowing
from medts.models.settings.base import StreamInput
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import TextConfig, ViewsConfig
from medts.objectives.settings.classification import ClassificationConfig
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

_WHOLE = Windowing(window_s=10.0, stride_s=10.0)
_CROPS = Windowing(window_s=2.5, stride_s=1.25)
_HEAD = MatchingHeadConfig(dim=None)
_VIEWS = ViewsConfig(crop_ratio=0.7, hide_ratio=0.1, drop_probability=0.0)
_PUBLISHED_INPUT: dict[str, Any] = {
    "patch_lengths": (25, 50, 100, 150),
    "channel_identity": "none",
    "has_positions": True,
    "is_normalised": True,
}
"""How the paper reads a window; positions are not printed, but without them there is no order."""

_OUR_INPUT: dict[str, Any] = {
    "channel_identity": "name",
    "has_positions": False,
    "is_normalised": False,
}
"""How we do where channels have names and their units mean something."""


def sparseformer() -> Recipe:
    """The published sizes with capped token counts, on ten seconds of twelve named leads in mV."""
    return Recipe(
        name="sparseformer",
        encoder=SparseformerConfig(**_OUR_INPUT),
        head=_HEAD,
        objective=LabelMatchingConfig(),
        windowing=_WHOLE,
        training=Training(
            epochs=60,
            batch_size=32,
            learning_rate=1e-4,
            weight_decay=1e-4,
            schedule="cosine",
            patience=7,
        ),
    )


def sparseformer_paper() -> Recipe:
    """The printed token counts and queries, no norm of ours, and ClinicalBERT; a GPU is advised."""
    return sparseformer().but(
        name="sparseformer_paper",
        encoder=SparseformerConfig(
            **_PUBLISHED_INPUT,
            token_counts="paper",
            query_start="learnt",
            is_summary_normed=False,
            has_granularity_embedding=False,
            prior_dim=768,
        ),
        head=_HEAD.but(text=TextConfig(name="medicalai/ClinicalBERT")),
    )


def sparseformer_small() -> Recipe:
    """Half the width, two blocks and a quarter of the queries, for two cores.

    It learns from random crops of 2.5 s, like the small baselines, and answers with the mean over
    seven of them: a thousand whole records are learnt by heart within 300 updates. Patches
    last 0.1 to 1 s and leads are known by name. Signals stay in mV and patches have no positions,
    since a crop starts anywhere; all of it chosen among 32 settings on fold 8 of PTB-XL. Variants
    on other streams say what they do.
    """
    return sparseformer().but(
        name="sparseformer_small",
        encoder=SparseformerConfig(
            **_OUR_INPUT,
            patch_lengths=(10, 25, 50, 100),
            dim=64,
            n_heads=4,
            tokens_per_block=(32, 16),
            cap_ratios=(0.5, 0.25),
            mlp_ratio=2.0,
            hidden=128,
        ),
        head=_HEAD.but(hidden=128),
        windowing=_CROPS,
        training=Training(
            epochs=20,
            min_updates=600,
            batch_size=32,
            learning_rate=4e-4,
            weight_decay=1e-2,
            schedule="cosine",
        ),
        tuning_trials=32,
    )


def sparseformer_test() -> Recipe:
    """Seconds on one core and without a language model, on drawn vectors; for tests."""
    return sparseformer_small().but(
        name="sparseformer_test",
        encoder=SparseformerConfig(
            patch_lengths=(25, 100),
            dim=16,
            n_heads=2,
            tokens_per_block=(8, 4),
            cap_ratios=(0.5, 0.25),
            tokens_per_channel=2,
            tokens_per_window=2,
            mlp_ratio=2.0,
            hidden=16,
            dropout=0.0,
        ),
        head=_HEAD.but(words="random", hidden=16),
        windowing=Windowing(window_s=5.0, stride_s=5.0),
        training=Training(epochs=2, batch_size=16, learning_rate=3e-3, schedule="cosine"),
        tuning_trials=0,
    )


def sparseformer_small_paper_counts() -> Recipe:
    """Ablation: every query is used, also where that turns few tokens into many."""
    return _changed("paper_counts", token_counts="paper")


def sparseformer_small_single_granularity() -> Recipe:
    """Ablation of the paper: patches of 25 samples alone."""
    return _changed("single_granularity", patch_lengths=(25,))


def sparseformer_small_channel_mean() -> Recipe:
    """Ablation after the paper: the mean over channels in place of attention between them."""
    return _changed("channel_mean", has_channel_attention=False)


def sparseformer_small_dense() -> Recipe:
    """Ablation of the paper: self-attention only, no token is ever given up."""
    return _changed("dense", is_sparse=False)


def sparseformer_small_no_prior() -> Recipe:
    """Ablation: queries are not told about the dataset."""
    return _changed("no_prior", prior_dim=0)


def sparseformer_small_whole_windows() -> Recipe:
    """Ablation: ten seconds at once, as in the paper, and no random crops."""
    return sparseformer_small().but(name="sparseformer_small_whole_windows", windowing=_WHOLE)


def sparseformer_small_learnt_queries() -> Recipe:
    """Ablation: the queries of the paper, which know nothing of the window."""
    return _changed("learnt_queries", query_start="learnt")


def sparseformer_small_unnormed() -> Recipe:
    """Ablation: no norm over windows before the last layers, as in the paper."""
    return _changed("unnormed", is_summary_normed=False)


def sparseformer_small_as_printed() -> Recipe:
    """What the paper prints, at the small size: its counts and queries, and nothing of ours.

    The sizes, the crops and ``minilm`` are those of `sparseformer_small`; heads, norms, skip
    connections, feed-forward parts and positions, without which it is no transformer, stay.
    """
    return _changed(
        "as_printed",
        **_PUBLISHED_INPUT,
        token_counts="paper",
        query_start="learnt",
        is_summary_normed=False,
        has_granularity_embedding=False,
    )


def sparseformer_small_nameless_channels() -> Recipe:
    """Ablation: channels without identity, as in the paper."""
    return _changed("nameless_channels", channel_identity="none")


def sparseformer_small_published_lengths() -> Recipe:
    """Ablation: patches of 25 to 150 samples, as in the paper."""
    return _changed("published_lengths", patch_lengths=_PUBLISHED_INPUT["patch_lengths"])


def sparseformer_small_positions() -> Recipe:
    """Ablation: sinusoids say where in its window a patch lies."""
    return _changed("positions", has_positions=True)


def sparseformer_small_normalised() -> Recipe:
    """Ablation: every lead of a window is brought to mean 0 and spread 1, as in the paper."""
    return _changed("normalised", is_normalised=True)


def sparseformer_small_one_hot() -> Recipe:
    """Ablation of the paper: an ordinary linear head with one row per class."""
    return sparseformer_small().but(
        name="sparseformer_small_one_hot",
        head=HeadConfig(hidden=0, dropout=0.0, normalise=False),
        objective=ClassificationConfig(),
    )


def sparseformer_small_shuffled_texts() -> Recipe:
    """Control: every class has the words of another one of its label set."""
    return sparseformer_small().but(
        name="sparseformer_small_shuffled_texts", head=_HEAD.but(hidden=128, words="shuffled")
    )


def sparseformer_small_random_texts() -> Recipe:
    """Control: a drawn vector in place of every text."""
    return sparseformer_small().but(
        name="sparseformer_small_random_texts", head=_HEAD.but(hidden=128, words="random")
    )


def sparseformer_small_eeg() -> Recipe:
    """Windows of four seconds of the 10-20 electrodes, known by name, at 100 Hz.

    Every window of a record is read, so that an epoch is long, and as many epochs as of the others
    will do.
    """
    spec = StreamPreprocessing(
        modality="eeg", channels=MONTAGES["eeg-10-20"].channels, unit="µV", scale=20.0
    )
    windowing = Windowing(window_s=4.0, stride_s=4.0, crops_per_record=None)
    recipe = _small_on(
        "eeg",
        {"eeg": spec},
        windowing,
        tuning_trials=0,
        channel_identity="name",
        has_positions=False,
    )
    return recipe.but(training=recipe.training.but(min_updates=0))


def sparseformer_small_acc() -> Recipe:
    """Windows of ten seconds of a watch's accelerometer at 20 Hz, as WISDM has them.

    Signals stay in g, because how a wrist is held is in their means; patches are a quarter to
    two and a half seconds long and have no positions, and axes are known by name.
    """
    spec = StreamPreprocessing(
        modality="acc", channels=("x", "y", "z"), unit="g", sampling_rate=20.0, low_hz=None
    )
    return _small_on(
        "acc",
        {"watch-acc": spec},
        _WHOLE,
        tuning_trials=5,
        **_OUR_INPUT | {"patch_lengths": (5, 10, 25, 50)},
    )


def sparseformer_small_one_lead() -> Recipe:
    """Windows of ten seconds of lead I, as CinC 2017 has it; 1,000 updates on altered windows.

    As with twelve leads the signal stays in mV and patches have no positions.
    """
    lead = {"ecg": StreamPreprocessing(channels=("I",))}
    recipe = _small_on(
        "one_lead", lead, _WHOLE, tuning_trials=4, has_positions=False, is_normalised=False
    )
    return _long_on_views(recipe, _VIEWS, min_updates=1000)


def sparseformer_small_any_lead() -> Recipe:
    """Ten seconds of one or two leads, others in every window, to be asked about any.

    Leads have no names. What is not there costs nothing, which makes 2,000 updates affordable.
    """
    recipe = _small_on("any_lead", {"ecg": StreamPreprocessing()}, _WHOLE, tuning_trials=4)
    views = _VIEWS.but(drop_probability=1.0, drop_least=10, drop_most=11)
    return _long_on_views(recipe, views, min_updates=2000)


def sparseformer_small_any_lead_shuffled_texts() -> Recipe:
    """Control of `sparseformer_small_any_lead`: every class has the words of another one."""
    return sparseformer_small_any_lead().but(
        name="sparseformer_small_any_lead_shuffled_texts",
        head=_HEAD.but(hidden=128, words="shuffled"),
    )


def sparseformer_small_any_lead_random_texts() -> Recipe:
    """Control of `sparseformer_small_any_lead`: a drawn vector in place of every text."""
    return sparseformer_small_any_lead().but(
        name="sparseformer_small_any_lead_random_texts",
        head=_HEAD.but(hidden=128, words="random"),
    )


def sparseformer_small_beats() -> Recipe:
    """Beats of 0.83 s at 360 Hz on whichever two of five named leads were recorded, as in MIT-BIH.

    Windows are cut around the beat, so that positions of patches mean something.
    """
    spec = StreamPreprocessing(channels=("II", "V1", "V2", "V4", "V5"), sampling_rate=360.0)
    windowing = Windowing(window_s=300 / 360, stride_s=300 / 360, crops_per_record=1)
    return _small_on("beats", {"ecg": spec}, windowing, tuning_trials=2, channel_identity="name")


def on_streams(
    recipe: Recipe, streams: dict[str, StreamPreprocessing], windowing: Windowing
) -> Recipe:
    """Returns a recipe of Sparseformer that reads other streams, with the same network.

    Args:
        recipe: One of those above.
        streams: What is prepared, by the name of the stream.
        windowing: How records are cut; no window may be shorter than the shortest patch.
    """
    inputs = {name: StreamInput(channels=spec.channels) for name, spec in streams.items()}
    return recipe.but(
        encoder=recipe.encoder.but(streams=inputs),
        preprocessing=Preprocessing(streams=streams),
        windowing=windowing,
    )


def _long_on_views(recipe: Recipe, views: ViewsConfig, *, min_updates: int) -> Recipe:
    return recipe.but(
        objective=LabelMatchingConfig(views=views),
        training=recipe.training.but(min_updates=min_updates),
    )


def _small_on(
    name: str,
    streams: dict[str, StreamPreprocessing],
    windowing: Windowing,
    *,
    tuning_trials: int,
    **changes: object,
) -> Recipe:
    """Returns the small recipe on other streams, with the paper's input but for ``changes``.

    What was compared on validation is counted on the stream itself; the sizes are those that were
    chosen on twelve leads.
    """
    recipe = on_streams(sparseformer_small(), streams, windowing)
    encoder = recipe.encoder.but(**(_PUBLISHED_INPUT | changes))
    return recipe.but(
        name=f"sparseformer_small_{name}", encoder=encoder, tuning_trials=tuning_trials
    )


def _changed(name: str, **changes: object) -> Recipe:
    base = sparseformer_small()
    return base.but(name=f"sparseformer_small_{name}", encoder=base.encoder.but(**changes))
