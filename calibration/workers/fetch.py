"""Child process: drawn rows of a source, written as sequences."""

from calibration.drawing.fetching import fetch_rows
from calibration.drawing.parts import FetchCall
from pipelines.process.harness import serve

if __name__ == "__main__":
    serve(fetch_rows, FetchCall)
