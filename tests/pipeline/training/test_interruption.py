import os
import signal
import threading
from collections.abc import Iterator

import pytest

from pipeline.training.interruption import DeferredSignals


class CancelledError(Exception):
    """The exception that a handler raises."""


def raise_cancelled(_number: int, _frame: object) -> None:
    raise CancelledError


@pytest.fixture(autouse=True)
def known_handlers() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt and SIGTERM `CancelledError`, whatever the test runner has set."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, raise_cancelled)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers_are_restored() -> bool:
    handlers = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    return handlers == (signal.default_int_handler, raise_cancelled)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, CancelledError)])
def test_a_signal_waits_until_it_is_delivered(number: int, raised: type[BaseException]) -> None:
    reached = False
    with pytest.raises(raised), DeferredSignals() as signals:
        signals.deliver()  # nothing has arrived
        os.kill(os.getpid(), number)
        assert signals.waiting
        reached = True
        signals.deliver()
        pytest.fail("the signal was not delivered")
    assert reached
    assert handlers_are_restored()


def test_an_undelivered_signal_is_delivered_at_the_end() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), DeferredSignals():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached
    assert handlers_are_restored()


def test_a_signal_that_is_ignored_outside_stays_without_effect() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with DeferredSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        signals.deliver()
    assert not signals.waiting


def test_handlers_are_restored_without_a_signal_and_after_an_error() -> None:
    with DeferredSignals():
        assert not handlers_are_restored()
    assert handlers_are_restored()
    with pytest.raises(ValueError, match="an error inside"), DeferredSignals():
        raise ValueError("an error inside")
    assert handlers_are_restored()


def test_outside_the_main_thread_nothing_waits() -> None:
    kept: list[bool] = []

    def work() -> None:
        with DeferredSignals() as signals:
            kept.append(handlers_are_restored() and not signals.waiting)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert kept == [True]


class OtherCancelledError(Exception):
    """Raised by a handler that somebody installed while signals were deferred."""


def raise_other(_number: int, _frame: object) -> None:
    raise OtherCancelledError


def test_a_handler_installed_since_is_deferred_too_and_is_the_one_delivered_to() -> None:
    with pytest.raises(OtherCancelledError), DeferredSignals() as signals:
        signal.signal(signal.SIGTERM, raise_other)
        signals.take()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.waiting
        signals.deliver()
    assert signal.getsignal(signal.SIGTERM) == raise_other
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_handler_installed_since_stays_at_the_end() -> None:
    with DeferredSignals():
        signal.signal(signal.SIGTERM, raise_other)
    assert signal.getsignal(signal.SIGTERM) == raise_other
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
