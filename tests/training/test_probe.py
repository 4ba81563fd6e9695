import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from medts.training.probe import Labelled, fit_probe, fit_scaling, macro_auroc
from medts.training.settings import ProbeConfig


def made(n_records=120, dim=6, n_classes=3, seed=0, kind="multi"):
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng(99).normal(size=(dim, n_classes))
    embedding = rng.normal(size=(n_records, dim))
    logits = embedding @ direction + rng.normal(size=(n_records, n_classes))
    target = logits > 0.5 if kind == "multi" else np.eye(n_classes)[logits.argmax(axis=1)]
    return Labelled(embedding, target.astype(np.float32))


def test_scaling_is_sklearns_and_drops_what_does_not_vary():
    values = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    values[:, 2] = 1e3 * (1 + 1e-7 * np.arange(50))  # rounding, not information
    scaled = fit_scaling(values)(values)
    np.testing.assert_allclose(
        scaled[:, [0, 1, 3]], StandardScaler().fit_transform(values)[:, [0, 1, 3]], atol=1e-4
    )
    assert (scaled[:, 2] == 0).all()


def test_scaling_fills_what_could_not_be_measured_with_the_median():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [11.0, np.nan]])
    scaled = fit_scaling(values)(values)
    assert np.isfinite(scaled).all()
    assert scaled[1, 0] == scaled[2, 0]
    assert (scaled[:, 1] == 0).all()


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_logistic_probe_is_sklearns_at_the_strength_that_validation_prefers(kind):
    train, validation, test = (made(seed=seed, kind=kind) for seed in (1, 2, 3))
    probe = fit_probe(train, validation, kind, ProbeConfig())

    def answers(c, embedding):
        if kind == "single":
            model = LogisticRegression(C=c, max_iter=1000)
            model.fit(train.embedding, train.target.argmax(axis=1))
            return model.predict_proba(embedding)
        columns = []
        for k in range(3):
            model = LogisticRegression(C=c, max_iter=1000).fit(train.embedding, train.target[:, k])
            columns.append(model.predict_proba(embedding)[:, 1])
        return np.stack(columns, axis=1)

    grid = ProbeConfig().c_grid
    scores = [
        roc_auc_score(validation.target, answers(c, validation.embedding), average="macro")
        for c in grid
    ]
    assert probe.choice["c"] == grid[int(np.argmax(np.round(scores, 9)))]
    expected = answers(probe.choice["c"], test.embedding)
    np.testing.assert_allclose(probe(test.embedding), expected, atol=2e-3)
    assert probe.n_unfinished == 0


@pytest.mark.parametrize("c", [1e-3, 1.0])
@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_logistic_probe_is_sklearns_where_values_outnumber_records(kind, c):
    train = made(60, dim=500, seed=1, kind=kind)
    probe = fit_probe(train, None, kind, ProbeConfig(default_c=c))
    exact = LogisticRegression(C=c, max_iter=5000, tol=1e-9)
    if kind == "single":
        exact.fit(train.embedding, train.target.argmax(axis=1))
        weight = exact.coef_
    else:
        weight = [exact.fit(train.embedding, column).coef_[0] for column in train.target.T]
    assert probe.weight.shape == (3, 500)
    assert probe.n_unfinished == 0
    np.testing.assert_allclose(probe.weight, weight, atol=3e-3 * np.abs(weight).max())


def test_records_that_repeat_and_values_without_spread_change_nothing_among_the_records():
    train, validation = (made(40, dim=300, seed=seed, kind="single") for seed in (1, 2))
    train.embedding[20:], train.target[20:] = train.embedding[:20], train.target[:20]
    train.embedding[:, 7] = 0.0
    probe = fit_probe(train, validation, "single", ProbeConfig())
    exact = LogisticRegression(C=probe.choice["c"], max_iter=5000, tol=1e-9)
    exact.fit(train.embedding, train.target.argmax(axis=1))
    expected = exact.predict_proba(validation.embedding)
    np.testing.assert_allclose(probe(validation.embedding), expected, atol=5e-3)
    np.testing.assert_allclose(probe.weight[:, 7], 0.0, atol=1e-12)


@pytest.mark.parametrize("solver", ["logistic", "sgd", "mlp"])
@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_order_of_classes_does_not_matter(solver, kind):
    train, validation = made(seed=1, kind=kind), made(seed=2, kind=kind)
    order = np.array([2, 0, 1])
    settings = ProbeConfig(solver=solver, epochs=20)
    probe = fit_probe(train, validation, kind, settings)
    turned = fit_probe(
        Labelled(train.embedding, train.target[:, order]),
        Labelled(validation.embedding, validation.target[:, order]),
        kind,
        settings,
    )
    expected = probe(validation.embedding)[:, order]
    np.testing.assert_allclose(turned(validation.embedding), expected, atol=2e-3)


@pytest.mark.parametrize("solver", ["logistic", "sgd", "mlp"])
@pytest.mark.parametrize("kind", ["multi", "single"])
def test_a_constant_encoder_ends_at_one_half(solver, kind):
    train, validation = made(seed=1, kind=kind), made(seed=2, kind=kind)
    nothing = np.zeros_like(train.embedding)
    probe = fit_probe(
        Labelled(nothing, train.target),
        Labelled(nothing, validation.target),
        kind,
        ProbeConfig(solver=solver, epochs=5),
    )
    assert macro_auroc(validation.target, probe(nothing)) == 0.5


@pytest.mark.parametrize("solver", ["logistic", "sgd", "mlp"])
def test_a_class_that_is_never_or_always_there_gets_a_constant_probability(solver):
    train, validation = made(seed=1), made(seed=2)
    target = train.target.copy()
    target[:, 0], target[:, 2] = 0, 1
    settings = ProbeConfig(solver=solver, learning_rate=0.1)
    probe = fit_probe(Labelled(train.embedding, target), validation, "multi", settings)
    probability = probe(validation.embedding)
    assert probe.constant_classes == (0, 2)
    np.testing.assert_allclose(probability[:, 0], 0.5 / 121, rtol=1e-6)
    np.testing.assert_allclose(probability[:, 2], 120.5 / 121, rtol=1e-6)
    assert np.ptp(probability[:, 1]) > 0.5


@pytest.mark.parametrize("n_present", [1, 2, 3])
def test_a_single_label_probe_never_answers_a_class_it_has_not_seen(n_present):
    train, validation = made(seed=1, n_classes=4, kind="single"), made(seed=2)
    keep = train.target.argmax(axis=1) < n_present
    probe = fit_probe(
        Labelled(train.embedding[keep], train.target[keep]), None, "single", ProbeConfig()
    )
    probability = probe(validation.embedding)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    assert (probability[:, n_present:] == 0).all()
    if n_present == 2:
        model = LogisticRegression(C=0.01).fit(train.embedding[keep], train.target[keep][:, 1])
        expected = model.predict_proba(validation.embedding)
        np.testing.assert_allclose(probability[:, :2], expected, atol=1e-3)


def test_of_equally_good_strengths_the_most_regularised_is_taken():
    train = Labelled(np.array([[-1.0], [1.0]] * 5), np.array([[0.0], [1.0]] * 5))
    assert fit_probe(train, train, "multi", ProbeConfig()).choice == {"c": 1e-4}


def test_without_validation_nothing_is_chosen():
    train = made(seed=1)
    blind = Labelled(train.embedding, np.zeros_like(train.target))
    for validation in (None, blind):
        probe = fit_probe(train, validation, "multi", ProbeConfig(default_c=0.3))
        assert probe.choice == {"c": 0.3}


def test_the_sgd_probe_stops_where_validation_was_best_and_repeats_itself():
    train, validation = made(seed=1), made(seed=2)
    settings = ProbeConfig(solver="sgd", learning_rate=1e-2, patience=3, batch_size=16)
    probe, again = (fit_probe(train, validation, "multi", settings, seed=5) for _ in range(2))
    assert (probe.weight == again.weight).all()
    assert probe.choice["epoch"] < settings.epochs
    assert fit_probe(train, None, "multi", settings.but(epochs=7)).choice == {"epoch": 7}
    assert macro_auroc(validation.target, probe(validation.embedding)) > 0.8


def circles(seed):
    """Two classes that no straight line parts: near the middle, and far from it."""
    rng = np.random.default_rng(seed)
    far = rng.random(200) < 0.5
    angle, radius = rng.uniform(0, 2 * np.pi, 200), np.where(far, 2.0, 0.7)
    embedding = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Labelled(embedding + rng.normal(0, 0.1, (200, 2)), far[:, None].astype(np.float32))


def test_the_mlp_finds_what_no_line_can_and_stops_where_validation_was_best():
    train, validation, test = (circles(seed) for seed in (1, 2, 3))
    settings = ProbeConfig(solver="mlp", learning_rate=1e-2, epochs=60, batch_size=32)
    probe, again = (fit_probe(train, validation, "multi", settings, seed=4) for _ in range(2))
    np.testing.assert_array_equal(probe(test.embedding), again(test.embedding))
    assert macro_auroc(test.target, probe(test.embedding)) > 0.98
    line = fit_probe(train, validation, "multi", settings.but(solver="sgd"))
    assert macro_auroc(test.target, line(test.embedding)) < 0.7
    assert probe.choice["epoch"] < 60
    assert probe.hidden[0].shape == (128, 2)
    other = fit_probe(train, None, "multi", settings.but(epochs=3), seed=5)
    assert other.choice == {"epoch": 3}
    assert (other(test.embedding) != probe(test.embedding)).any()


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_mlp_is_as_good_as_a_line_where_a_line_suffices(kind):
    train, validation, test = (made(seed=seed, kind=kind) for seed in (1, 2, 3))
    settings = ProbeConfig(solver="mlp", learning_rate=1e-2)
    found, straight = (
        macro_auroc(test.target, fit_probe(train, validation, kind, each)(test.embedding))
        for each in (settings, ProbeConfig())
    )
    assert found > straight - 0.03


def test_the_logit_of_a_constant_class_is_finite_for_one_record():
    one = Labelled(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
    probability = fit_probe(one, None, "multi", ProbeConfig())(np.zeros((3, 2)))
    np.testing.assert_allclose(probability, np.tile(expit([np.log(3), -np.log(3)]), (3, 1)))
