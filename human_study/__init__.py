"""The A/B study: questions, the page, its server, responses and their analysis."""

import own_packages_first  # noqa: F401 - before any package of the suite is imported
