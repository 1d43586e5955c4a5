"""``python -m leverline``: the command line."""

from leverline.cli import main

main()
