"""Recipes: functions that return everything one run needs. A new one adds one line here."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from medts.core.errors import unknown_name
from medts.recipes.base import Pretraining, Recipe
from medts.recipes.baselines import (
    dlinear,
    patchtst,
    patchtst_small,
    s4,
    s4_small,
    transformer,
    transformer_small,
)
from medts.recipes.contrastive import cmsc, simclr, vicreg
from medts.recipes.crossl import (
    crossl_bidmc_pretraining,
    crossl_eegmat,
    crossl_eegmat_paper,
    crossl_eegmat_paper_pretraining,
    crossl_eegmat_pretraining,
    crossl_ptb_xl,
    crossl_ptb_xl_paper,
    crossl_ptb_xl_paper_pretraining,
    crossl_ptb_xl_pretraining,
    crossl_test,
    crossl_test_pretraining,
    crossl_wisdm,
    crossl_wisdm_paper,
    crossl_wisdm_paper_pretraining,
    crossl_wisdm_pretraining,
)
from medts.recipes.crossl_baselines import (
    crossl_eegmat_cmc,
    crossl_eegmat_cocoa,
    crossl_eegmat_latents,
    crossl_eegmat_modality_dropout,
    crossl_eegmat_simclr,
    crossl_eegmat_vicreg,
    crossl_ptb_xl_cmc,
    crossl_ptb_xl_cocoa,
    crossl_ptb_xl_latents,
    crossl_ptb_xl_modality_dropout,
    crossl_ptb_xl_simclr,
    crossl_ptb_xl_vicreg,
    crossl_wisdm_cmc,
    crossl_wisdm_cocoa,
    crossl_wisdm_latents,
    crossl_wisdm_modality_dropout,
    crossl_wisdm_simclr,
    crossl_wisdm_vicreg,
    deep_conv_lstm_eegmat,
    deep_conv_lstm_ptb_xl,
    deep_conv_lstm_wisdm,
)
from medts.recipes.ecg_nat import (
    ecg_nat,
    ecg_nat_convolution,
    ecg_nat_cross_entropy,
    ecg_nat_full_attention,
    ecg_nat_kernels_7,
    ecg_nat_kernels_31,
    ecg_nat_paper,
    ecg_nat_pretraining,
    ecg_nat_pretraining_paper,
    ecg_nat_pretraining_test,
    ecg_nat_scratch,
    ecg_nat_scratch_cross_entropy,
    ecg_nat_single_scale,
    ecg_nat_test,
)
from medts.recipes.label_matching import (
    ecg_nat_matching,
    xresnet1d_matching,
    xresnet1d_matching_test,
)
from medts.recipes.medualtime import (
    gpt4ts,
    gpt4ts_prompt,
    gpt4ts_prompt_small,
    gpt4ts_small,
    medualtime,
    medualtime_concatenated,
    medualtime_gated,
    medualtime_paper,
    medualtime_pretraining,
    medualtime_pretraining_test,
    medualtime_random_trunk,
    medualtime_redacted,
    medualtime_signal_only,
    medualtime_signal_pass,
    medualtime_small,
    medualtime_small_constant_text,
    medualtime_small_redacted,
    medualtime_small_signal_only,
    medualtime_small_signal_pass,
    medualtime_small_text_only,
    medualtime_small_text_only_redacted,
    medualtime_small_text_pass,
    medualtime_small_trained_trunk,
    medualtime_small_unadapted,
    medualtime_small_unadapted_redacted,
    medualtime_test,
    medualtime_text_only,
    medualtime_text_only_redacted,
    medualtime_text_pass,
    medualtime_trained_trunk,
    medualtime_unadapted,
    text_linear,
    text_linear_redacted,
)
from medts.recipes.melp import (
    melp,
    melp_paper,
    melp_small,
    melp_small_as_written,
    melp_small_ecg_nat,
    melp_small_finetuning,
    melp_small_rhythm,
    melp_small_rhythm_beat,
    melp_small_rhythm_token,
    melp_small_shuffled,
    melp_small_sparseformer,
    melp_small_whole_reports,
    melp_test,
)
from medts.recipes.report_lm import (
    ReportModelling,
    report_lm,
    report_lm_as_written,
    report_lm_test,
)
from medts.recipes.sequence_baselines import (
    crossformer_small,
    itransformer_small,
    lightts_small,
    medformer_small,
    mtst_small,
    timesnet_small,
)
from medts.recipes.sparseformer import (
    sparseformer,
    sparseformer_paper,
    sparseformer_small,
    sparseformer_small_acc,
    sparseformer_small_as_printed,
    sparseformer_small_beats,
    sparseformer_small_channel_mean,
    sparseformer_small_dense,
    sparseformer_small_eeg,
    sparseformer_small_learnt_queries,
    sparseformer_small_named_channels,
    sparseformer_small_no_prior,
    sparseformer_small_one_hot,
    sparseformer_small_one_lead,
    sparseformer_small_paper_counts,
    sparseformer_small_random_texts,
    sparseformer_small_shuffled_texts,
    sparseformer_small_single_granularity,
    sparseformer_small_unnormed,
    sparseformer_small_whole_windows,
    sparseformer_test,
)
from medts.recipes.xresnet1d import xresnet1d, xresnet1d101, xresnet1d_small, xresnet1d_test

RECIPES: dict[str, Callable[[], Recipe]] = {
    "crossformer_small": crossformer_small,
    "crossl_eegmat": crossl_eegmat,
    "crossl_eegmat_latents": crossl_eegmat_latents,
    "crossl_eegmat_modality_dropout": crossl_eegmat_modality_dropout,
    "crossl_eegmat_paper": crossl_eegmat_paper,
    "crossl_ptb_xl": crossl_ptb_xl,
    "crossl_ptb_xl_latents": crossl_ptb_xl_latents,
    "crossl_ptb_xl_modality_dropout": crossl_ptb_xl_modality_dropout,
    "crossl_ptb_xl_paper": crossl_ptb_xl_paper,
    "crossl_test": crossl_test,
    "crossl_wisdm": crossl_wisdm,
    "crossl_wisdm_latents": crossl_wisdm_latents,
    "crossl_wisdm_modality_dropout": crossl_wisdm_modality_dropout,
    "crossl_wisdm_paper": crossl_wisdm_paper,
    "deep_conv_lstm_eegmat": deep_conv_lstm_eegmat,
    "deep_conv_lstm_ptb_xl": deep_conv_lstm_ptb_xl,
    "deep_conv_lstm_wisdm": deep_conv_lstm_wisdm,
    "dlinear": dlinear,
    "ecg_nat": ecg_nat,
    "ecg_nat_convolution": ecg_nat_convolution,
    "ecg_nat_cross_entropy": ecg_nat_cross_entropy,
    "ecg_nat_full_attention": ecg_nat_full_attention,
    "ecg_nat_kernels_31": ecg_nat_kernels_31,
    "ecg_nat_kernels_7": ecg_nat_kernels_7,
    "ecg_nat_matching": ecg_nat_matching,
    "ecg_nat_paper": ecg_nat_paper,
    "ecg_nat_scratch": ecg_nat_scratch,
    "ecg_nat_scratch_cross_entropy": ecg_nat_scratch_cross_entropy,
    "ecg_nat_single_scale": ecg_nat_single_scale,
    "ecg_nat_test": ecg_nat_test,
    "gpt4ts": gpt4ts,
    "gpt4ts_prompt": gpt4ts_prompt,
    "gpt4ts_prompt_small": gpt4ts_prompt_small,
    "gpt4ts_small": gpt4ts_small,
    "itransformer_small": itransformer_small,
    "lightts_small": lightts_small,
    "medformer_small": medformer_small,
    "medualtime": medualtime,
    "medualtime_concatenated": medualtime_concatenated,
    "medualtime_gated": medualtime_gated,
    "medualtime_paper": medualtime_paper,
    "medualtime_random_trunk": medualtime_random_trunk,
    "medualtime_redacted": medualtime_redacted,
    "medualtime_signal_only": medualtime_signal_only,
    "medualtime_signal_pass": medualtime_signal_pass,
    "medualtime_small": medualtime_small,
    "medualtime_small_constant_text": medualtime_small_constant_text,
    "medualtime_small_redacted": medualtime_small_redacted,
    "medualtime_small_signal_only": medualtime_small_signal_only,
    "medualtime_small_signal_pass": medualtime_small_signal_pass,
    "medualtime_small_text_only": medualtime_small_text_only,
    "medualtime_small_text_only_redacted": medualtime_small_text_only_redacted,
    "medualtime_small_text_pass": medualtime_small_text_pass,
    "medualtime_small_trained_trunk": medualtime_small_trained_trunk,
    "medualtime_small_unadapted": medualtime_small_unadapted,
    "medualtime_small_unadapted_redacted": medualtime_small_unadapted_redacted,
    "medualtime_test": medualtime_test,
    "medualtime_text_only": medualtime_text_only,
    "medualtime_text_only_redacted": medualtime_text_only_redacted,
    "medualtime_text_pass": medualtime_text_pass,
    "medualtime_trained_trunk": medualtime_trained_trunk,
    "medualtime_unadapted": medualtime_unadapted,
    "melp_small": melp_small_finetuning,
    "mtst_small": mtst_small,
    "patchtst": patchtst,
    "patchtst_small": patchtst_small,
    "s4": s4,
    "s4_small": s4_small,
    "sparseformer": sparseformer,
    "sparseformer_paper": sparseformer_paper,
    "sparseformer_small": sparseformer_small,
    "sparseformer_small_acc": sparseformer_small_acc,
    "sparseformer_small_as_printed": sparseformer_small_as_printed,
    "sparseformer_small_beats": sparseformer_small_beats,
    "sparseformer_small_channel_mean": sparseformer_small_channel_mean,
    "sparseformer_small_dense": sparseformer_small_dense,
    "sparseformer_small_eeg": sparseformer_small_eeg,
    "sparseformer_small_learnt_queries": sparseformer_small_learnt_queries,
    "sparseformer_small_named_channels": sparseformer_small_named_channels,
    "sparseformer_small_no_prior": sparseformer_small_no_prior,
    "sparseformer_small_one_hot": sparseformer_small_one_hot,
    "sparseformer_small_one_lead": sparseformer_small_one_lead,
    "sparseformer_small_paper_counts": sparseformer_small_paper_counts,
    "sparseformer_small_random_texts": sparseformer_small_random_texts,
    "sparseformer_small_shuffled_texts": sparseformer_small_shuffled_texts,
    "sparseformer_small_single_granularity": sparseformer_small_single_granularity,
    "sparseformer_small_unnormed": sparseformer_small_unnormed,
    "sparseformer_small_whole_windows": sparseformer_small_whole_windows,
    "sparseformer_test": sparseformer_test,
    "text_linear": text_linear,
    "text_linear_redacted": text_linear_redacted,
    "timesnet_small": timesnet_small,
    "transformer": transformer,
    "transformer_small": transformer_small,
    "xresnet1d": xresnet1d,
    "xresnet1d101": xresnet1d101,
    "xresnet1d_matching": xresnet1d_matching,
    "xresnet1d_matching_test": xresnet1d_matching_test,
    "xresnet1d_small": xresnet1d_small,
    "xresnet1d_test": xresnet1d_test,
}
"""Recipes of `medts finetune`."""

PRETRAINING_RECIPES: dict[str, Callable[[], Pretraining]] = {
    "cmsc": cmsc,
    "crossl_bidmc": crossl_bidmc_pretraining,
    "crossl_eegmat": crossl_eegmat_pretraining,
    "crossl_eegmat_cmc": crossl_eegmat_cmc,
    "crossl_eegmat_cocoa": crossl_eegmat_cocoa,
    "crossl_eegmat_paper": crossl_eegmat_paper_pretraining,
    "crossl_eegmat_simclr": crossl_eegmat_simclr,
    "crossl_eegmat_vicreg": crossl_eegmat_vicreg,
    "crossl_ptb_xl": crossl_ptb_xl_pretraining,
    "crossl_ptb_xl_cmc": crossl_ptb_xl_cmc,
    "crossl_ptb_xl_cocoa": crossl_ptb_xl_cocoa,
    "crossl_ptb_xl_paper": crossl_ptb_xl_paper_pretraining,
    "crossl_ptb_xl_simclr": crossl_ptb_xl_simclr,
    "crossl_ptb_xl_vicreg": crossl_ptb_xl_vicreg,
    "crossl_test": crossl_test_pretraining,
    "crossl_wisdm": crossl_wisdm_pretraining,
    "crossl_wisdm_cmc": crossl_wisdm_cmc,
    "crossl_wisdm_cocoa": crossl_wisdm_cocoa,
    "crossl_wisdm_paper": crossl_wisdm_paper_pretraining,
    "crossl_wisdm_simclr": crossl_wisdm_simclr,
    "crossl_wisdm_vicreg": crossl_wisdm_vicreg,
    "ecg_nat": ecg_nat_pretraining,
    "ecg_nat_paper": ecg_nat_pretraining_paper,
    "ecg_nat_test": ecg_nat_pretraining_test,
    "medualtime": medualtime_pretraining,
    "medualtime_test": medualtime_pretraining_test,
    "melp": melp,
    "melp_paper": melp_paper,
    "melp_small": melp_small,
    "melp_small_as_written": melp_small_as_written,
    "melp_small_ecg_nat": melp_small_ecg_nat,
    "melp_small_rhythm": melp_small_rhythm,
    "melp_small_rhythm_beat": melp_small_rhythm_beat,
    "melp_small_rhythm_token": melp_small_rhythm_token,
    "melp_small_shuffled": melp_small_shuffled,
    "melp_small_sparseformer": melp_small_sparseformer,
    "melp_small_whole_reports": melp_small_whole_reports,
    "melp_test": melp_test,
    "simclr": simclr,
    "vicreg": vicreg,
}
"""Recipes of `medts pretrain`."""

REPORT_RECIPES: dict[str, Callable[[], ReportModelling]] = {
    "report_lm": report_lm,
    "report_lm_as_written": report_lm_as_written,
    "report_lm_test": report_lm_test,
}
"""Recipes of `medts pretrain` that train a text encoder on reports alone."""


_Found = TypeVar("_Found")


def find_recipe(name: str) -> Recipe:
    """Returns a recipe of `medts finetune` by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    return _find("recipe", name, RECIPES)


def find_pretraining(name: str) -> Pretraining:
    """Returns a recipe of `medts pretrain` by name; errors as in `find_recipe`."""
    return _find("pretraining recipe", name, PRETRAINING_RECIPES)


def find_report_recipe(name: str) -> ReportModelling:
    """Returns a recipe that trains a text encoder on reports; errors as in `find_recipe`."""
    return _find("recipe for reports", name, REPORT_RECIPES)


def _find(kind: str, name: str, known: Mapping[str, Callable[[], _Found]]) -> _Found:
    if name not in known:
        raise unknown_name(kind, name, known)
    return known[name]()
