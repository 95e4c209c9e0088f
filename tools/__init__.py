"""Scripts that made what ships with the suite."""

import own_packages_first  # noqa: F401 - before any package of the suite is imported
