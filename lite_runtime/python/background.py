"""Runs in the background: the worker thread of a session, and the future of one run."""
from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

import numpy as np


class RunFuture(Future[dict[str, np.ndarray]]):
    """A run that `Session.run_async` started: a `concurrent.futures.Future` whose `cancel` also stops a run under way.

    result: the outputs by name, or what `Session.run` would have raised.
    """

    def __init__(self, run: Callable[[], dict[str, np.ndarray]], stop: Callable[[], None],
                 busy: threading.Lock) -> None:
        super().__init__()
        self._run: Callable[[], dict[str, np.ndarray]] | None = run
        self._stop: Callable[[], None] | None = stop
        self._busy = busy
        self._guard = threading.Lock()  # while it is held, a run that is under way stays so
        self._under_way = False
        self._stopping = False
        self._over = threading.Event()

    def cancel(self) -> bool:
        """Takes back a run that waits, or stops the one under way within milliseconds; False when it is over.

        `result` then raises `CancelledError` for a run that was under way (or gives its outputs when it came to its end
        just before), and `concurrent.futures.CancelledError`, a base class of that, for one that had not begun.
        """
        if super().cancel():
            self._forget()
            return True
        if not self._send():
            return False
        with self._guard:
            first, self._stopping = not self._stopping, True
        if first:
            threading.Thread(target=self._insist, name="lite_runtime cancel", daemon=True).start()
        return True

    def _send(self) -> bool:
        """Stops what the runtime does for this run; False when it is over."""
        with self._guard:
            if self._under_way and self._stop:
                self._stop()
            return self._under_way

    def _insist(self) -> None:
        # the runtime forgets a cancel that comes between two of its calls, of which a run may need more than one
        while self._send() and not self._over.wait(0.002):
            pass

    def _forget(self) -> None:
        """Lets go of the session and the arrays: a future may be kept long after its run."""
        self._run = self._stop = None
        self._over.set()

    def _wait_until_over(self) -> None:
        """Returns when the runtime does nothing more for it."""
        self._over.wait()

    def _do(self) -> None:
        """Runs, in the worker thread."""
        error: BaseException | None = None
        with self._busy:  # waits for a call of another thread
            if not self.set_running_or_notify_cancel():
                return
            with self._guard:
                run, self._under_way = self._run, True
            try:
                assert run, "a run is done once"
                result = run()
            except BaseException as e:
                error = e
            finally:
                with self._guard:
                    self._under_way = False
                self._forget()
                del run
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)
            del self, error  # the exception's traceback has this frame


class Worker:
    """One thread that does runs in the order in which they come, until `stop`."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[RunFuture | None] = SimpleQueue()
        self._runs: dict[Future[dict[str, np.ndarray]], None] = {}  # that are not done, in order
        # a daemon: at exit the interpreter waits for other threads before anything tells them to end
        threading.Thread(target=_work, args=(self._queue,), name="lite_runtime run", daemon=True).start()

    def submit(self, run: RunFuture) -> None:
        self._runs[run] = None
        run.add_done_callback(lambda done, runs=self._runs: runs.pop(done, None))  # type: ignore[misc]
        self._queue.put(run)

    def stop(self) -> None:
        """Takes back what waits, stops the run under way and returns when it has stopped. The thread ends."""
        for run in reversed(list(self._runs)):
            if run.cancel() and isinstance(run, RunFuture):
                run._wait_until_over()
        self._queue.put(None)


def _work(queue: SimpleQueue[RunFuture | None]) -> None:
    """Holds no session while it waits, so that one that is forgotten ends its thread."""
    while (run := queue.get()) is not None:
        run._do()
        del run
