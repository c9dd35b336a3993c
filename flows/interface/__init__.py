"""The Python interface beside look-ups: what `import quantgate` offers programs and notebooks."""
