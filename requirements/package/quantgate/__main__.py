"""`python -m quantgate` is the command `quantgate`."""

from quantgate.flows.cli.main import main

if __name__ == "__main__":
    main(prog_name="quantgate")
