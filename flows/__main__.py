"""`python -m flows` is `quantgate`."""

from flows.cli.main import main

if __name__ == "__main__":
    main(prog_name="quantgate")
