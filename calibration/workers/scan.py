"""Child process: one part of a source scanned."""

from quantgate.calibration.drawing.parts import ScanCall
from quantgate.calibration.drawing.scanning import scan
from quantgate.pipelines.process.harness import serve

if __name__ == "__main__":
    serve(scan, ScanCall)
