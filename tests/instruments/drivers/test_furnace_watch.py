"""When a thermocouple is not believed."""

from __future__ import annotations

from instruments.drivers.furnace_watch import FurnaceWatch, Look


def seen(*looks: Look) -> str:
    """What the last of some looks found wrong."""
    watch, wrong = FurnaceWatch(), ""
    for look in looks:
        wrong = watch.judge(look)
    return wrong


def ramp(setpoint_c: float, temperature_c: float) -> Look:
    return Look(setpoint_c, in_soak=False, temperature_c=temperature_c, after_c=setpoint_c)


def soak(temperature_c: float) -> Look:
    return Look(900.0, in_soak=True, temperature_c=temperature_c, after_c=900.0)


def test_stuck_while_the_setpoint_moves() -> None:
    looks = [ramp(25.0 + 10.0 * i, 25.0) for i in range(7)]
    assert seen(*looks[:6]) == ""
    assert "stands at 25 degC while the setpoint went from 25 to 85" in seen(*looks)
    assert "stands at" in seen(ramp(300.0, 300.0), ramp(240.0, 300.5))


def test_a_furnace_that_lags_is_no_fault() -> None:
    assert seen(*(ramp(25.0 + 20.0 * i, 25.0 + 15.0 * i) for i in range(40))) == ""


def test_a_soak_with_noise_is_no_fault() -> None:
    assert seen(*(soak(900.0 + 0.4 * (-1) ** i) for i in range(50))) == ""


def test_astray_in_a_soak() -> None:
    assert "reads 25 degC in a soak at 900" in seen(soak(899.0), soak(25.0))
    assert "reads 1100 degC" in seen(soak(899.0), soak(1100.0))
    assert seen(soak(950.0)) == ""


def test_readings_that_do_not_belong_together_tell_nothing() -> None:
    late = Look(before_c=100.0, in_soak=True, temperature_c=100.0, after_c=900.0)
    watch = FurnaceWatch()
    assert watch.judge(late) == ""
    assert watch.soak_c is None


def test_last_reading_of_the_soak() -> None:
    watch = FurnaceWatch()
    for look in (ramp(500.0, 490.0), soak(899.5), soak(900.7), ramp(800.0, 805.0)):
        assert watch.judge(look) == ""
    assert watch.soak_c == 900.7
