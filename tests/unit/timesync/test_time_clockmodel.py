"""The oscillator's model: it learns phase and frequency, and its budget follows the limit."""

import pytest

from lifeline.model.timing import OSCILLATORS
from timesync.core.clockmodel import HORIZON_S, ClockModel


def trained(oscillator="ocxo", y_ppb=12.0, seconds=600):
    model = ClockModel.begin(OSCILLATORS[oscillator], 0.0, 0.0, 100.0)
    for t in range(1, seconds):
        model = model.learn(float(t), y_ppb * t, 100.0)
    return model


def test_it_learns_phase_and_frequency():
    model = trained()
    assert model.y_ppb == pytest.approx(12.0, abs=0.01)
    assert model.phase_ns(700.0) == pytest.approx(12.0 * 700, abs=5)


def test_looking_ahead_in_one_go_or_in_many_is_the_same():
    model = trained()
    once, often = model.ahead(1600.0), model
    for t in range(600, 1601, 10):
        often = often.ahead(float(t))
    assert once.x_ns == pytest.approx(often.x_ns)
    assert once.p == pytest.approx(often.p, rel=1e-6)


def test_uncertainty_only_grows_while_nothing_is_learnt():
    model = trained()
    sigmas = [model.sigma_ns(600.0 + h) for h in (0, 1, 10, 100, 1000, 10_000)]
    assert sigmas == sorted(sigmas)


@pytest.mark.parametrize(
    ("limit", "floor", "least", "most"), [(1500, 100, 60, 86_400), (200, 100, 0, 0), (1e12, 0, HORIZON_S, HORIZON_S)]
)
def test_the_budget_ends_at_the_limit_and_never_counts_below_the_floor(limit, floor, least, most):
    model = trained()
    left = model.lasts_s(limit, floor, 3)
    assert least <= left <= most
    if 0 < left < HORIZON_S:
        assert 3 * (model.sigma_ns(model.at_s + left) ** 2 + floor**2) ** 0.5 <= limit


def test_better_oscillators_last_longer():
    lasts = [trained(name, seconds=1200).lasts_s(10_000, 100, 3) for name in ("computer", "tcxo", "ocxo", "rubidium")]
    assert lasts == sorted(lasts)
    assert lasts[0] < lasts[-1]
