"""What starts a thread while it is imported."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
