"""`make gpu-check`: what an accelerator does, beside the CPU and bare tools, in ten minutes at most."""
