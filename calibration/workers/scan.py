"""Child process: one part of a source scanned."""

from calibration.drawing.parts import ScanCall
from calibration.drawing.scanning import scan
from pipelines.process.harness import serve

if __name__ == "__main__":
    serve(scan, ScanCall)
