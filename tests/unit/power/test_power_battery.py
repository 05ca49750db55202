"""Batteries: textbook cases, and what must hold for any battery and load."""

from datetime import date
from math import inf, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.model.power import BatteryString, Discharge, Technology
from power.core.battery import Kinetic, Peukert, Table, ageing, model_of, temperature_factor

TABLE = Table([(0.25, 40.0), (0.5, 26.0), (1.0, 16.0), (3.0, 6.8), (10.0, 2.4)])
MODELS = st.one_of(
    st.just(TABLE),
    st.builds(Peukert, st.floats(1, 100), st.floats(1, 20), st.floats(1, 1.4)),
    st.builds(Kinetic, st.floats(1, 100), st.floats(1, 20), st.floats(0.1, 0.9), st.floats(0.05, 8)),
)


def test_the_table_gives_its_own_points_and_straight_lines_on_logarithmic_paper():
    assert isclose(TABLE.duration_h(16), 1.0)
    assert isclose(TABLE.duration_h(26), 0.5)
    assert isclose(TABLE.duration_h((16 * 26) ** 0.5), 0.5**0.5)


def test_beyond_the_table_nothing_is_promised():
    assert TABLE.duration_h(41) == 0
    assert isclose(TABLE.duration_h(1.2), 20)  # the lightest load's energy, and no more


def test_peukert_as_in_the_textbook():
    # 100 Ah at the 20 h rate, exponent 1.2: at ten times the rated current, 20 / 10 ** 1.2 hours
    assert isclose(Peukert(100, 20, 1.2).duration_h(50), 20 / 10**1.2)
    assert isclose(Peukert(100, 20, 1.2).duration_h(5), 20)
    assert isclose(Peukert(100, 20, 1.2).duration_h(1), 100)


@pytest.mark.parametrize(("c", "k"), [(0.2, 0.5), (0.5, 2.0), (0.8, 6.0)])
def test_the_kinetic_model_gives_the_rated_capacity_at_the_rated_load(c, k):
    assert isclose(Kinetic(100, 10, c, k).left_h(Kinetic(100, 10, c, k).at(1), 10), 10, rel_tol=1e-9)


def test_the_kinetic_model_recovers_when_the_load_goes():
    model = Kinetic(100, 10, 0.3, 1.0)
    tired = model.after(model.at(1), 60, model.left_h(model.at(1), 60) * 0.99)
    rested = model.after(tired, 0, 2.0)
    assert model.left_h(rested, 60) > 5 * model.left_h(tired, 60)
    assert isclose(model.charge(rested), model.charge(tired))


@given(MODELS, st.floats(0.05, 1), st.floats(0.05, 39))
def test_it_is_empty_when_the_time_is_up_and_not_before(model, charge, kw):
    left_h = model.left_h(model.at(charge), kw)
    assert left_h >= 0
    half = model.after(model.at(charge), kw, left_h / 2)
    assert isclose(model.left_h(half, kw), left_h / 2, rel_tol=1e-6, abs_tol=1e-6)
    assert model.left_h(model.after(model.at(charge), kw, left_h), kw) < 1e-5 + 1e-6 * left_h


@given(MODELS, st.floats(0.05, 1), st.floats(0.05, 39), st.floats(1.001, 3))
def test_more_load_never_lasts_longer_nor_yields_more_energy(model, charge, kw, factor):
    light, heavy = model.left_h(model.at(charge), kw), model.left_h(model.at(charge), kw * factor)
    assert heavy <= light * (1 + 1e-9)
    assert heavy * kw * factor <= light * kw * (1 + 1e-6)


@given(MODELS, st.floats(0, 1))
def test_without_load_it_lasts_for_ever(model, charge):
    assert model.left_h(model.at(charge), 0) == inf
    assert isclose(model.charge(model.at(charge)), charge, abs_tol=1e-9)


@given(st.sampled_from(Technology), st.floats(-30, 60), st.floats(0, 20))
@settings(max_examples=200)
def test_cold_takes_capacity_and_warmth_gives_none(technology, temp_c, warmer):
    assert 0 < temperature_factor(technology, temp_c) <= temperature_factor(technology, temp_c + warmer) <= 1


def test_lead_at_ten_degrees_as_ieee_485_has_it():
    assert isclose(temperature_factor(Technology.VRLA, 10), 1 / 1.19)
    assert temperature_factor(Technology.VRLA, 25) == 1


def test_it_ages_to_eighty_per_cent_over_its_design_life():
    string = BatteryString(Technology.VRLA, 10, installed=date(2016, 5, 1), design_life_y=10)
    assert isclose(ageing(string, date(2026, 5, 1)).mid, 0.8, abs_tol=1e-3)
    assert isclose(ageing(string, date(2016, 5, 1)).mid, 1)
    unknown = ageing(BatteryString(Technology.VRLA, 10), date(2026, 5, 1))
    assert (unknown.mid, unknown.high) == (0.8, 1)  # for all we know it is at the end, and may be new


def test_the_best_model_that_is_known_is_taken():
    points = [Discharge(15, 40), Discharge(60, 16)]
    assert model_of(BatteryString(Technology.VRLA, 10, constant_power=points, peukert=1.1))[4] == "table"
    assert model_of(BatteryString(Technology.VRLA, 10, kibam_c=0.3, kibam_k_per_h=1, peukert=1.1))[4] == "kinetic"
    assert model_of(BatteryString(Technology.VRLA, 10))[4] == "peukert"
