"""How little evaluation costs: bootstrap, kept embeddings, probes on more values than records.

The bootstrap is that of PTB-XL's test fold, 1,000 resamples x 71 classes x 2,198 records with
prevalences from 44 % to 0.4 %, beside a loop over scikit-learn, which is timed on a few of the same
resamples and extrapolated linearly; the values of those resamples are compared.

A few-shot protocol of ten episodes on synthetic ECGs, with the encoder of the recipe `xresnet1d`
(untrained, which is as slow as trained): with an empty folder, with a full one, and what it would
take if every episode ran the encoder anew, extrapolated from one pass. Then six strengths of
logistic regression on more values than records, as MultiRocket gives, beside scikit-learn's.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.protocols.few_shot import FewShotConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.metrics.bootstrap import bootstrap_blocks, bootstrap_scores
from medts.metrics.scores import make_scorer
from medts.recipes import find_recipe
from medts.training.probe import Labelled, fit_probe
from medts.training.settings import ProbeConfig

N_SUBJECTS, EPISODES = 300, 10
N_RECORDS, N_VALUES, N_CLASSES = 600, 20_000, 5
SHAPE, N_RESAMPLES, N_LOOPED = (2198, 71), 1000, 10


def main() -> None:
    """Prints the times and whether the numbers agree."""
    bootstrap()
    kept_embeddings()
    wide_values()


def bootstrap() -> None:
    """Times the vectorised bootstrap beside a loop."""
    (n_records, n_classes), rng = SHAPE, np.random.default_rng(0)
    prevalence = np.geomspace(0.44, 0.004, n_classes)
    target = (rng.random((n_records, n_classes)) < prevalence).astype(float)
    noise = rng.normal(size=target.shape)
    probability = 1 / (1 + np.exp(-(noise + 1.5 * target - 2)))
    subjects = np.arange(n_records)
    scorer = make_scorer(target, probability, np.full(n_classes, 0.3), "multi")

    started = time.perf_counter()
    scores = bootstrap_scores(scorer, subjects, N_RESAMPLES, seed=0)
    vectorised_s = time.perf_counter() - started

    weights = next(bootstrap_blocks(subjects, N_RESAMPLES, seed=0))[:N_LOOPED].astype(int)
    started = time.perf_counter()
    looped = np.full((N_LOOPED, n_classes), np.nan)
    for n in range(N_LOOPED):
        rows = np.repeat(subjects, weights[n])
        for k in range(n_classes):
            if 0 < target[rows, k].sum() < len(rows):
                looped[n, k] = roc_auc_score(target[rows, k], probability[rows, k])
    looped_s = (time.perf_counter() - started) * N_RESAMPLES / N_LOOPED

    difference = np.nanmax(np.abs(looped - scores.per_class["auroc"][:N_LOOPED]))
    same_gaps = (np.isnan(looped) == np.isnan(scores.per_class["auroc"][:N_LOOPED])).all()
    print(f"{N_RESAMPLES} resamples x {n_classes} classes x {n_records} records")
    print(f"medts, all metrics (AUROC, AP, F1, ...)  {vectorised_s:8.2f} s")
    print(
        f"loop over roc_auc_score, AUROC alone     {looped_s:8.2f} s"
        f"  (extrapolated from {N_LOOPED} resamples)"
    )
    print(f"ratio                                    {looped_s / vectorised_s:8.0f} x")
    print(f"largest difference of an AUROC           {difference:8.1e}")
    print(f"same classes undefined                   {same_gaps!s:>8}")


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
            results.append(run_protocol("few_shot", model, task, settings))
            seconds.append(time.perf_counter() - started)

    anew_s = seconds[1] + EPISODES * pass_s
    print(f"\n{len(store)} records, {EPISODES} episodes, few_shot on {recipe.name}")
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
    index = (few @ rng.normal(size=(50, N_CLASSES))).argmax(axis=1)
    parts = [slice(0, N_RECORDS), slice(N_RECORDS, None)]
    train, validation = (Labelled(values[part], np.eye(N_CLASSES)[index[part]]) for part in parts)
    settings = ProbeConfig()

    started = time.perf_counter()
    probe = fit_probe(train, validation, "single", settings)
    ours_s = time.perf_counter() - started

    started = time.perf_counter()
    solver = LogisticRegression(max_iter=settings.max_iterations, warm_start=True)
    losses = {}
    for c in settings.c_grid:
        solver.set_params(C=c).fit(train.embedding, index[parts[0]])
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
