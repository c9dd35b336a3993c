"""Child process: drawn rows of a source, written as sequences."""

from quantgate.calibration.drawing.fetching import fetch_rows
from quantgate.calibration.drawing.parts import FetchCall
from quantgate.pipelines.process.harness import serve

if __name__ == "__main__":
    serve(fetch_rows, FetchCall)
