"""`quantgate quantize`."""
