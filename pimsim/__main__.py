"""``python -m pimsim`` is ``pimsim``."""

from pimsim.cli.main import main

main()
