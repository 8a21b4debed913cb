"""`python -m skyreels_avatar` is the command `skyreels-avatar`."""

from skyreels_avatar.cli import main

if __name__ == "__main__":
    main()
