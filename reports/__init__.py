"""Tables, figures, the report and the app, made from the files of a run."""

import own_packages_first  # noqa: F401 - before any package of the suite is imported
