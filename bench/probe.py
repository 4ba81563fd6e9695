"""How little a probe costs: embeddings are kept, and wide ones are fitted among their records.

A few-shot protocol of ten episodes on synthetic ECGs, with the encoder of the recipe `xresnet1d`
(untrained, which is as slow as trained): with an empty folder, with a full one, and what it would
take if every episode ran the encoder anew, extrapolated from one pass. Then six strengths of
logistic regression on more values than records, as MultiRocket gives, beside scikit-learn's.

Run: OMP_NUM_THREADS=2 python bench/probe.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.few_shot import FewShotConfig, run
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.recipes import find_recipe
from medts.training.probe import Labelled, ProbeConfig, fit_probe

N_SUBJECTS, EPISODES = 300, 10
N_RECORDS, N_VALUES, N_CLASSES = 600, 20_000, 5


def main() -> None:
    """Prints the times and whether the numbers agree."""
    kept_embeddings()
    wide_values()


def kept_embeddings() -> None:
    """Times a protocol of many episodes with and without embeddings of before."""
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


def wide_values() -> None:
    """Times a path of strengths on more values than records."""
    rng = np.random.default_rng(0)
    few = rng.normal(size=(2 * N_RECORDS, 50))  # values of kernels go together
    values = few @ rng.normal(size=(50, N_VALUES)) + rng.normal(size=(2 * N_RECORDS, N_VALUES))
    answer = (few @ rng.normal(size=(50, N_CLASSES))).argmax(axis=1)
    parts = [slice(0, N_RECORDS), slice(N_RECORDS, None)]
    train, validation = (Labelled(values[part], np.eye(N_CLASSES)[answer[part]]) for part in parts)
    settings = ProbeConfig()

    started = time.perf_counter()
    probe = fit_probe(train, validation, "single", settings)
    ours_s = time.perf_counter() - started

    started = time.perf_counter()
    solver = LogisticRegression(max_iter=settings.max_iterations, warm_start=True)
    losses = {}
    for c in settings.c_grid:
        solver.set_params(C=c).fit(train.embedding, answer[parts[0]])
        log_chances = solver.predict_log_proba(train.embedding)
        losses[c] = penalised_loss(log_chances, train.target, solver.coef_, c)
    plain_s = time.perf_counter() - started
    c = (probe.choice or {})["c"]
    ours = penalised_loss(np.log(probe(train.embedding)), train.target, probe.weight, c)

    print(f"\n{N_RECORDS} records of {N_VALUES} values, {len(settings.c_grid)} strengths")
    print(f"among the records                           {ours_s:8.2f} s")
    print(f"among the values (scikit-learn)             {plain_s:8.2f} s")
    print(f"ratio                                       {plain_s / ours_s:8.1f} x")
    print(f"penalised loss reached, among the records   {ours:8.4f}")
    print(f"penalised loss reached, among the values    {losses[c]:8.4f}")


def penalised_loss(
    log_chances: np.ndarray, target: np.ndarray, weight: np.ndarray, c: float
) -> float:
    """Returns what logistic regression of inverse strength ``c`` makes small."""
    return float(-c * (target * log_chances).sum() + (weight**2).sum() / 2)


if __name__ == "__main__":
    main()
