"""A benchmark's figures: what was not measured is not met."""

import json

from bench.figures import Figure, record
from bench.terminal import measure


def test_lower_is_better_unless_told_otherwise() -> None:
    assert Figure("lost", 50, "ms", target=50).met is True
    assert Figure("lost", 51, "ms", target=50).met is False
    assert Figure("kills", 100, "", target=100, better="higher").met is True
    assert Figure("kills", 99, "", target=100, better="higher").met is False


def test_what_was_not_measured_is_not_met_and_no_target_is_no_verdict() -> None:
    assert Figure("lost", None, "ms", target=50).met is False
    assert Figure("lost", 3, "ms").met is None


def test_the_record_has_the_fixed_form() -> None:
    result = json.loads(json.dumps(record("kernel", [Figure("lost", 28.12345, "ms", 50, "lower", "BIRD", 30)])))
    assert (result["schema"], result["name"]) == ("lifeline.bench/1", "kernel")
    assert result["figures"] == [
        {"name": "lost", "value": 28.123, "unit": "ms", "target": 50, "better": "lower", "met": True,
         "peer": "BIRD", "peer_value": 30},
    ]  # fmt: skip
    assert set(result["measured_on"]) == {"cpus", "kernel", "python", "date"}


def test_a_terminal_program_is_measured_from_outside_and_ended() -> None:
    script = r"printf '\033[1mOver\033[0mview'; sleep 60"
    run = measure(["sh", "-c", script], [b"Overview"], environment={}, settle_s=0.05, idle_s=0.1)
    assert run.first_paint_s is not None
    assert run.rss_mb > 0
    assert run.idle_cpu_pct < 50


def test_a_program_that_never_paints_has_no_first_paint() -> None:
    argv = ["sh", "-c", "sleep 60"]
    run = measure(argv, [b"Overview"], environment={}, paint_within_s=0.1, settle_s=0.01, idle_s=0.1)
    assert run.first_paint_s is None
