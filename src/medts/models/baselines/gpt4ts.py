"""GPT4TS: patches of a signal as the tokens of a frozen language model, and perhaps a prompt.

Zhou, Niu, Wang, Sun and Jin, "One Fits All: Power General Time Series Analysis by Pretrained LM"
(NeurIPS 2023, arXiv:2302.11939): attention and feed-forward layers stay as they are, only the
embedding of patches, the norms and the positions learn. Reports are not read. With a prompt the
report's tokens stand before the patches, as in Time-LLM (arXiv:2310.01728) and
GPT4MTS: the plainest way to fuse them, and a baseline to MedualTime.

Axes: B windows in the batch, C channels, T samples in time, P samples per patch, N tokens,
L text tokens, D embedding width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.gpt4ts import Gpt4tsConfig
from medts.nn.frozen_lm import FrozenLM
from medts.nn.patches import cut_patches, standardise
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded


class Gpt4ts(OneStreamEncoder):
    """Patches, after a prompt if there is one, through the lower blocks of a language model.

    Components: *patches* — one linear layer; *language_model* — frozen but for *learnt*, its
    norms and positions; *norm* — after the last block; *pooling* — mean over the signal's tokens.

    Departures: the paper flattens all tokens for its classifier, which ties it to one length;
    ours takes their mean. Its patches overlap by half, ours lie side by side. A window without
    a report has no prompt.

    Raises:
        ConfigError: If its weights are missing, or the batch lacks the stream.
    """

    def __init__(self, config: Gpt4tsConfig) -> None:
        super().__init__(config)
        self.config = config
        self.language_model = FrozenLM.load(config.language_model)
        self.n_blocks = min(config.n_blocks, self.language_model.n_blocks)
        self.dim = self.language_model.dim
        self.patches = nn.Linear(len(config.channels) * config.patch, self.dim)
        self.norm = nn.LayerNorm(self.dim)
        self.learnt = nn.ModuleList()
        if config.is_norm_trained:
            used = [*self.language_model.embeddings, *self.language_model.blocks[: self.n_blocks]]
            norms = [m for part in used for m in part.modules() if isinstance(m, nn.LayerNorm)]
            self.learnt.extend(
                own_weights(each) for each in [*norms, self.language_model.positions]
            )

    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch; one without signal gives a zero embedding."""
        config = self.config
        read = self.select(batch)
        signal = read.signal
        if config.is_signal_normed:
            signal = standardise(signal, read.is_recorded)
        patches, is_patch_valid = cut_patches(signal, read.is_valid, config.patch)
        vectors = self.patches(patches)
        texts = [(text or "").strip() for text in batch.text]
        if config.prompt == "report" and any(texts):
            hidden = self.after_prompts(texts, vectors, is_patch_valid)
        else:
            hidden = self.language_model.run(
                self.language_model.embed(vectors), is_patch_valid, 0, self.n_blocks
            )
        hidden = self.norm(hidden) * is_patch_valid[..., None]
        return Encoded(hidden, is_patch_valid, mean_of_valid(hidden, is_patch_valid))

    def after_prompts(
        self, texts: list[str], vectors: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B N D"]:
        """Runs each report and its patches as one sequence, and returns the patches' part.

        Padding stands at the end of a row, never between report and patches.
        """
        given = [text for text in texts if text]
        numbers = iter(self.language_model.tokenise(given))
        device, n_patches = vectors.device, vectors.shape[1]
        prompts = [
            self.language_model.look_up(
                torch.tensor([next(numbers) if text else []], device=device).long()
            )
            for text in texts
        ]
        rows = [torch.cat([prompt[0], row]) for prompt, row in zip(prompts, vectors, strict=True)]
        lengths = torch.tensor([prompt.shape[1] for prompt in prompts], device=device)
        sequence = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        place = torch.arange(sequence.shape[1], device=device)
        is_prompt = place < lengths[:, None]
        source = (place - lengths[:, None]).clamp(0, n_patches - 1)
        is_token_valid = is_prompt | (
            is_valid.gather(1, source) & ~is_prompt & (place < lengths[:, None] + n_patches)
        )
        hidden = self.language_model.run(
            self.language_model.embed(sequence), is_token_valid, 0, self.n_blocks
        )
        index = lengths[:, None] + torch.arange(n_patches, device=device)
        return hidden.gather(1, index[..., None].expand(-1, -1, self.dim))


def own_weights(module: nn.Module) -> nn.Module:
    """Unfreezes a part of a shared model: trainable copies of its weights, in its place."""
    for name, parameter in module.named_parameters(recurse=False):
        setattr(module, name, nn.Parameter(parameter.detach().clone()))
    return module
