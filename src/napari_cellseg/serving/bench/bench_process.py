"""The process of a bench: ``python -m napari_cellseg.serving.bench.bench_process SETUP``.

It is fed through its stdin and ends with it, so that it never outlives the server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from napari_cellseg.serving.bench.bench import Answer, News, Setup
from napari_cellseg.serving.bench.frames import (
    DROP,
    LOST,
    TASK,
    news_frame,
    read_frame,
    task_of,
    write_frame,
)
from napari_cellseg.serving.bench.hands import Hands
from napari_cellseg.serving.requests.reply import no_room

#: The server waits less long; it ends the process then.
STOP_SECONDS = 3600.0


def main() -> None:
    """Work until told to stop, or until stdin is closed."""
    for name in (signal.SIGINT, signal.SIGTERM):
        # They reach the whole group of processes; the server says when to stop.
        signal.signal(name, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not stand between the frames.
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(news: News) -> None:
        try:
            with lock:
                write_frame(answers, *news_frame(news))
        except OSError:
            # Nobody listens any more.
            os._exit(0)

    hands = Hands(Setup(**json.loads(sys.argv[1])))
    hands.start(tell)
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        values, body = frame
        if LOST in values:
            tell(Answer(values["number"], no_room(is_busy=hands.is_busy)))
        elif values["kind"] == TASK:
            hands.take(task_of(values, body))
        elif values["kind"] == DROP:
            hands.drop(values["number"])
        else:
            hands.stop(STOP_SECONDS)
            break
        del frame, body
    # Threads in a library of C would hold up a polite end.
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
