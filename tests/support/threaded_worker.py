"""The worker of tests, which starts a thread while it is imported."""

import threading

from quantgate.pipelines.process.harness import serve
from tests.support.workers import Order, work

threading.Thread(target=threading.Event().wait, daemon=True).start()

if __name__ == "__main__":
    serve(work, Order)
