"""Whatever sources say, none is selected with a reason against it, and nothing is claimed beyond the evidence."""

from math import sqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.model.timing import OSCILLATORS, Antenna, TimeService, TimeSourceKind
from timesync.core.arbiter import K_SERVE, Arbiter
from timesync.core.reasons import ClockState
from timesync.core.source import Sample, Satellite, SourceState, Telemetry

NAMES = {
    "beidou": TimeSourceKind.BEIDOU,
    "gps": TimeSourceKind.GPS,
    "clock": TimeSourceKind.GNSS_CLOCK,
    "ntp": TimeSourceKind.NTP,
}
SIGMA = {"beidou": 100.0, "gps": 100.0, "clock": 1e6, "ntp": 1e5}

phases = st.one_of(
    st.floats(-300, 300),
    st.floats(-1e5, 1e5),
    st.floats(-1e10, 1e10),
    st.sampled_from([1e9, -1e9, 604_800e9, -619_315_200e9]),
)
satellites = st.lists(
    st.builds(Satellite, st.sampled_from(["beidou", "gps", "glonass"]), st.integers(1, 64),
              st.one_of(st.none(), st.floats(0, 60)), st.booleans()), max_size=10).map(tuple)  # fmt: skip
telemetry = st.builds(
    Telemetry, at_s=st.just(0.0), fix=st.sampled_from([None, 0, 1, 2, 3]), satellites=st.one_of(st.none(), satellites),
    used=st.one_of(st.none(), st.integers(0, 20)), jamming=st.sampled_from([None, "none", "mitigated", "raised"]),
    spoofing=st.sampled_from([None, "none", "indicated", "raised"]),
    position=st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.none()),
                       st.just((39.9, 116.4, None))),
    leap_s=st.sampled_from([None, 17, 18, 19]), date_error_s=st.one_of(st.none(), st.floats(-1e9, 1e9)),
    synchronised=st.sampled_from([None, True, False]), stands_still=st.booleans(),
)  # fmt: skip
quiet = st.builds(Telemetry, at_s=st.just(0.0), fix=st.just(3), jamming=st.sampled_from([None, "none"]))
moment = st.fixed_dictionaries(
    {},
    optional={name: st.tuples(st.one_of(st.none(), st.floats(-200, 200), phases),
                              st.one_of(st.none(), quiet, telemetry)) for name in NAMES},
)  # fmt: skip
acts = st.one_of(
    st.none(), st.none(), st.none(), st.tuples(st.just("exclude"), st.sampled_from(sorted(NAMES))),
    st.tuples(st.just("release"), st.sampled_from([None, *sorted(NAMES)])),
    st.tuples(st.just("select"), st.sampled_from(sorted(NAMES))), st.tuples(st.just("lock"), st.none()),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0.25, 3.0), moment, acts), min_size=1, max_size=12),
    st.sampled_from(sorted(OSCILLATORS)), st.sampled_from([1500.0, 1e4, 1e6, 1e7]),
)  # fmt: skip
def test_never_selects_the_unsound_and_never_claims_more_than_it_has_evidence_for(script, oscillator, limit_ns):
    service = TimeService(limit_ns=limit_ns, qualification_s=20, antenna=Antenna(39.9, 116.4))
    arbiter = Arbiter.of(service, {n: SourceState(n, k, SIGMA[n]) for n, k in NAMES.items()}, OSCILLATORS[oscillator])
    now = 0.0
    for repeats, dt, said, act in script:
        if act is not None:
            verb, name = act
            {"exclude": lambda n=name: arbiter.exclude(n, "x"), "release": lambda n=name: arbiter.release(n),
             "select": lambda n=name: arbiter.select([n], "x"), "lock": lambda: arbiter.lock("x")}[verb]()  # fmt: skip
        for _ in range(repeats):
            now += dt
            for name, (phase, told) in said.items():
                if told is not None:
                    values = {key: getattr(told, key) for key in told.__slots__} | {"at_s": now}
                    arbiter.telemetry(name, Telemetry(**values))
                if phase is not None:
                    arbiter.sample(name, Sample(now, phase, 0.0))
            decision = arbiter.decide(now)
            _check(arbiter, decision, now)


def _check(arbiter, decision, now):
    for name in decision.selected:
        view = decision.sources[name]
        assert view.reason is None
        assert not (view.verdict and view.verdict.accuses)
        assert now - view.heard_s <= 4.0
        said = view.telemetry
        if said is not None and now - said.at_s < 3:
            assert said.jamming != "raised"
            assert said.spoofing != "raised"
            assert not said.stands_still
            assert said.synchronised is not False
    assert decision.selected == {name for name, view in decision.sources.items() if view.reason is None}
    if decision.bound_ns is not None:
        assert decision.bound_ns >= K_SERVE * decision.floor_ns * 0.999
        assert decision.bound_ns >= K_SERVE * decision.model.sigma_ns() * 0.999
        assert decision.floor_ns >= min(SIGMA.values())
    if decision.serve:
        assert decision.bound_ns <= decision.limit_ns
        assert decision.state in {ClockState.LOCKED, ClockState.HOLDOVER_IN_SPEC}
        assert decision.left_low_s > 0 or decision.bound_ns >= decision.limit_ns * 0.999
    assert (decision.state is ClockState.LOCKED) is (bool(decision.selected) and arbiter.was_locked)
    assert decision.left_low_s <= decision.left_mid_s <= decision.left_high_s
    if decision.corroborated and len(decision.selected) > 1:
        offsets = [decision.sources[name].offset_ns for name in decision.selected]
        most = max(v.uncertainty_ns for v in decision.sources.values())
        # Judged before the model learnt from them, told after it: that moves the difference by a trifle.
        assert max(offsets) - min(offsets) <= 5 * sqrt(2) * most * (1 + 1e-6)
    if not decision.selected and not arbiter.was_locked:
        assert not decision.serve
