"""How little a second probe costs: embeddings are computed once per record and then kept.

A few-shot protocol of ten episodes on synthetic ECGs, with the encoder of the recipe `xresnet1d`
(untrained, which is as slow as trained): with an empty folder, with a full one, and what it would
take if every episode ran the encoder anew, extrapolated from one pass.

Run: OMP_NUM_THREADS=2 python bench/probe.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.few_shot import FewShotConfig, run
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.recipes import find_recipe

N_SUBJECTS, EPISODES = 300, 10


def main() -> None:
    """Prints the times and whether the numbers agree."""
    recipe = find_recipe("xresnet1d")
    model = Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe=recipe.name),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        ingest(Synthetic(n_subjects=N_SUBJECTS, records_per_subject=2), "-", path)
        store = Store(path)
        train = [str(fold) for fold in range(1, 8)]
        task = make_task(store, "synthetic/findings", test_folds=["9", "10"], train_folds=train)

        started = time.perf_counter()
        embed(model, store, np.arange(len(store)))
        pass_s = time.perf_counter() - started

        settings = FewShotConfig(episodes=EPISODES, controls=(), cache=Path(folder) / "cache")
        results, seconds = [], []
        for _ in range(2):
            started = time.perf_counter()
            results.append(run(model, task, settings))
            seconds.append(time.perf_counter() - started)

    anew_s = seconds[1] + EPISODES * pass_s
    print(f"{len(store)} records, {EPISODES} episodes, few_shot on {recipe.name}")
    print(f"one pass of the encoder                     {pass_s:8.2f} s")
    print(f"protocol, nothing kept yet                  {seconds[0]:8.2f} s")
    print(f"protocol, embeddings kept                   {seconds[1]:8.2f} s")
    print(f"encoder anew in every episode, extrapolated {anew_s:8.2f} s")
    print(f"ratio of the last two                       {anew_s / seconds[1]:8.0f} x")
    is_same = results[0].metrics == results[1].metrics
    print(f"same numbers                                {is_same!s:>8}")


if __name__ == "__main__":
    main()
