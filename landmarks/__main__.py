"""`python -m landmarks` is the command `landmarks`."""

from landmarks.cli import main

if __name__ == "__main__":
    main()
