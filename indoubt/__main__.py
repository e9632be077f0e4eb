"""`python -m indoubt` does what the command `indoubt` does, where that is not installed."""

from indoubt.command.main import main

if __name__ == "__main__":
    main()
