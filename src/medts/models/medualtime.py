"""MedualTime: a frozen language model with dual adapters, for signals and reports as equals.

Ye et al., "MedualTime: A Dual-Adapter Language Model for Medical Time Series-Text Multimodal
Learning" (arXiv:2406.06620, IJCAI 2025; earlier named DualTime). In the signal pass patches of the
signal are the tokens and the report's vector is injected; in the text pass the report's tokens are
the tokens and the signal's vector is injected, by a small convolutional network. Injection is by
adapters in the upper blocks of one shared language model (see `medts.nn.adapters`). The two
embeddings are fused. Under a million parameters are trained.

A window whose report or signal is missing is embedded by the pass that is left, whose adaptation
tokens then stand without a message.
Losses, heads and the text controls are left to others.

Axes: B windows in the batch, C channels, T samples in time, P samples per patch, N signal tokens,
L text tokens, D embedding width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.models.abilities import Passes
from medts.models.base import OneStreamEncoder
from medts.models.settings.medualtime import MedualTimeConfig
from medts.nn.adapters import Adapter, attach, injecting
from medts.nn.frozen_lm import FrozenLM
from medts.nn.patches import cut_patches, standardise
from medts.nn.poolers import last_of_valid, mean_of_valid
from medts.nn.residual_conv import ResidualConv
from medts.tensors.batch import Batch, Encoded


class MedualTime(OneStreamEncoder):
    """Two passes through one frozen language model, each conditioned on the other by adapters.

    Components:
        language_model — frozen backbone, no part of a checkpoint — encodes patches and words.
        text_encoder — the same or another, frozen and unadapted — the report's message.
        patches — one linear layer — signal tokens from all channels of a patch.
        signal_conv, conv_norm — residual convolutions and a norm — the signal's message.
        signal_adapter, text_adapter — adaptation tokens and gates — attend to the other's message.
        signal_norm, text_norm — the norm after each pass.

    Symbols: our adaptation tokens are the paper's P, our ``n_adapted`` its M, ``signal`` and
    ``text`` passes its temporal-primary and textual-primary model.

    Departures: the authors' ``train()`` wakes the dropout of the frozen model, ours never does.
    Reports are cut to what the language model can read, where theirs crash, and an empty report
    counts as missing, where theirs reads a space. Messages are normalised and gates belong to one
    pass, unless the config sets them as in the paper. A bidirectional language model, which the
    paper has not, is pooled by the mean. In training a modality is sometimes left out (modality
    dropout), so that it may be missing later.

    Raises:
        ConfigError: If weights are missing, or the language model has fewer blocks than are
            adapted, or is of a kind that adapters do not fit.
    """

    def __init__(self, config: MedualTimeConfig) -> None:
        super().__init__(config)
        self.config = config
        lm = FrozenLM.load(config.language_model, cache_mib=config.cache_mib)
        if config.is_language_model_trained:
            lm.unfreeze()
        sites = attach(lm.model)
        self.language_model, self.pass_dim = lm, lm.dim
        n_adapted = lm.n_blocks - 1 if config.n_adapted is None else config.n_adapted
        if n_adapted > lm.n_blocks:
            raise ConfigError(
                f"{n_adapted} blocks cannot be adapted: {lm.name!r} has {lm.n_blocks}",
                field="n_adapted",
            )
        self.n_plain = lm.n_blocks - n_adapted
        self.dim = 2 * lm.dim if config.fusion == "concat" else lm.dim
        reads_signal, reads_text = config.passes != "text", config.passes != "signal"
        shape = {
            "n_blocks": lm.n_blocks,
            "n_adapted": n_adapted,
            "n_tokens": config.n_tokens,
            "dim": lm.dim,
            "n_heads": sites[0].n_heads,
            "is_normed": config.is_message_normed,
        }
        if reads_signal:
            self.patches = nn.Linear(len(config.channels) * config.patch, lm.dim)
            self.signal_norm = nn.LayerNorm(lm.dim)
            self.signal_adapter = Adapter(**shape) if n_adapted else None
        if reads_text:
            self.text_norm = nn.LayerNorm(lm.dim)
            gate = None
            if config.is_gate_shared and reads_signal and n_adapted:
                assert self.signal_adapter is not None
                gate = self.signal_adapter.gate
            self.text_adapter = Adapter(**shape, gate=gate) if n_adapted else None
        if reads_text and n_adapted:
            self.signal_conv = ResidualConv(
                n_channels=len(config.channels),
                widths=config.conv_widths,
                kernel_sizes=config.conv_kernels,
                stride=config.conv_stride,
                dim=lm.dim,
            )
            self.conv_norm = nn.LayerNorm(lm.dim)
        self._add_text_encoder(is_needed=reads_signal and n_adapted > 0)
        if config.fusion == "gate":
            self.fusion_gates = nn.ModuleList(nn.Linear(lm.dim, 1) for _ in range(2))

    def _add_text_encoder(self, *, is_needed: bool) -> None:
        """Builds what makes the report's message; a projection only where widths differ."""
        self.text_projection = None
        if not is_needed:
            return
        config, dim = self.config, self.language_model.dim
        # Beside a trained language model the message still comes from the weights it began with.
        is_own = config.text_encoder is None and not config.is_language_model_trained
        source = config.text_encoder or config.language_model
        self.text_encoder = None if is_own else FrozenLM.load(source, cache_mib=config.cache_mib)
        if (text_dim := (self.text_encoder or self.language_model).dim) != dim:
            self.text_projection = nn.Sequential(nn.Linear(text_dim, dim), nn.LayerNorm(dim))

    def parts(self) -> Sequence[nn.Module]:
        """Names the language model where it is trained: what is new learns at the full rate."""
        is_trained = self.config.is_language_model_trained
        return (self.language_model,) if is_trained else super().parts()

    @property
    def has_both_passes(self) -> bool:
        """True where neither pass was left out."""
        return self.config.passes == "both"

    def read_passes(self, batch: Batch) -> Passes:
        """Returns the embeddings of both passes."""
        return self(batch).intermediates["passes"]

    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window with what it has of signal and report."""
        read = self.select(batch)
        signal, is_recorded = read.signal, read.is_recorded
        texts = [(text or "").strip() for text in batch.text]
        if self.config.reads != "both":
            is_recorded = is_recorded & (self.config.reads == "signal")
            texts = texts if self.config.reads == "text" else [""] * len(texts)
        has_signal = is_recorded.flatten(1).any(dim=1)
        has_text = torch.tensor([bool(text) for text in texts], device=signal.device)
        has_signal, has_text = self.drop_modality(has_signal, has_text)
        # A dropped signal must not come back as the message of the text pass.
        is_recorded = is_recorded & has_signal[:, None, None]

        passes = self.config.passes
        nothing = signal.new_zeros(len(batch), self.language_model.dim)
        tokens, is_token_valid, by_signal, by_text = nothing[:, None], None, nothing, nothing
        if passes != "text":
            tokens, is_token_valid, by_signal = self.read_signal(
                signal, is_recorded, texts, has_text
            )
        if passes != "signal" and any(texts) and has_text.any():
            by_text = self.read_text(signal, is_recorded.any(dim=1), texts, has_text)
        pooled = self.fuse(by_signal, by_text, has_signal, has_text)
        if is_token_valid is None:
            tokens, is_token_valid = by_text[:, None], has_text[:, None]
        found = Passes(by_signal, by_text, has_signal, has_text)
        return Encoded(tokens, is_token_valid, pooled, {"passes": found})

    def drop_modality(
        self, has_signal: Bool[Tensor, "B"], has_text: Bool[Tensor, "B"]
    ) -> tuple[Bool[Tensor, "B"], Bool[Tensor, "B"]]:
        """Hides, in training, one modality of some windows that have both."""
        if not self.training or self.config.modality_dropout == 0 or self.config.passes != "both":
            return has_signal, has_text
        is_hit, side = torch.rand(2, len(has_signal), device=has_signal.device)
        is_hit = (is_hit < self.config.modality_dropout) & has_signal & has_text
        return has_signal & ~(is_hit & (side < 0.5)), has_text & ~(is_hit & (side >= 0.5))

    def read_signal(
        self,
        signal: Float[Tensor, "B C T"],
        is_recorded: Bool[Tensor, "B C T"],
        texts: list[str],
        has_text: Bool[Tensor, "B"],
    ) -> tuple[Float[Tensor, "B N D"], Bool[Tensor, "B N"], Float[Tensor, "B D"]]:
        """Runs the signal pass; returns its tokens, which of them are valid, and its embedding."""
        if self.config.is_signal_normed:
            signal = standardise(signal, is_recorded)
        is_valid = is_recorded.any(dim=1)
        patches, is_token_valid = cut_patches(signal, is_valid, self.config.patch)
        hidden = self.language_model.embed(self.patches(patches))
        if self.signal_adapter is None:
            hidden = self.language_model.run(hidden, is_token_valid)
        else:
            message = self.text_message(texts, has_text, like=hidden)
            with injecting(self.signal_adapter, message):
                hidden = self.language_model.run(hidden, is_token_valid)
        hidden = self.signal_norm(hidden) * is_token_valid[..., None]
        return hidden, is_token_valid, self.pool(hidden, is_token_valid)

    def read_text(
        self,
        signal: Float[Tensor, "B C T"],
        is_valid: Bool[Tensor, "B T"],
        texts: list[str],
        has_text: Bool[Tensor, "B"],
    ) -> Float[Tensor, "B D"]:
        """Runs the text pass over the windows that have a report; zero for the others."""
        rows = has_text.nonzero().flatten()
        chosen = [texts[row] for row in rows.tolist()]
        hidden, is_token_valid = self.language_model.states(chosen, self.n_plain)
        if self.text_adapter is None:
            hidden = self.language_model.run(hidden, is_token_valid, self.n_plain)
        else:
            message = self.signal_message(signal[rows], is_valid[rows])
            with injecting(self.text_adapter, message):
                hidden = self.language_model.run(hidden, is_token_valid, self.n_plain)
        pooled = self.pool(self.text_norm(hidden), is_token_valid)
        return pooled.new_zeros(len(texts), pooled.shape[1]).index_copy(0, rows, pooled)

    def text_message(
        self, texts: list[str], has_text: Bool[Tensor, "B"], *, like: Tensor
    ) -> Float[Tensor, "B D"]:
        """Returns the vector of each report; zero for windows without one."""
        if not any(texts) or not has_text.any():
            return like.new_zeros(len(texts), self.language_model.dim)
        rows = has_text.nonzero().flatten()
        chosen = [texts[row] for row in rows.tolist()]
        reads = self.text_encoder or self.language_model
        vector = reads.vectors(chosen, self.config.text_pool)
        if self.config.is_message_normed:
            vector = F.layer_norm(vector, vector.shape[1:])
        if self.text_projection is not None:
            vector = self.text_projection(vector)
        return vector.new_zeros(len(texts), self.language_model.dim).index_copy(0, rows, vector)

    def signal_message(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B D"]:
        """Returns the vector of each signal; zero for windows without one."""
        has_signal = is_valid.any(dim=1)
        if not has_signal.any():
            return signal.new_zeros(len(signal), self.language_model.dim)
        return self.conv_norm(self.signal_conv(signal, is_valid)) * has_signal[:, None]

    def pool(
        self, hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B D"]:
        """Makes one vector of a pass."""
        how = self.config.pool
        if how == "auto":
            how = "last" if self.language_model.is_causal else "mean"
        return (last_of_valid if how == "last" else mean_of_valid)(hidden, is_valid)

    def fuse(
        self,
        by_signal: Float[Tensor, "B D"],
        by_text: Float[Tensor, "B D"],
        has_signal: Bool[Tensor, "B"],
        has_text: Bool[Tensor, "B"],
    ) -> Float[Tensor, "B dim"]:
        """Makes one embedding of the passes that had something to read; zero if none had."""
        if self.config.passes != "both":
            return by_signal if self.config.passes == "signal" else by_text
        if self.config.fusion == "concat":
            return torch.cat([by_signal, by_text], dim=1)
        is_there = torch.stack([has_signal, has_text], dim=1)
        weight = is_there / is_there.sum(dim=1, keepdim=True).clamp(min=1)
        if self.config.fusion == "gate":
            sides = zip(self.fusion_gates, (by_signal, by_text), strict=True)
            score = torch.cat([gate(side) for gate, side in sides], dim=1)
            score = score.masked_fill(~is_there, torch.finfo(score.dtype).min)
            weight = score.softmax(dim=1) * is_there
        return weight[:, :1] * by_signal + weight[:, 1:] * by_text
