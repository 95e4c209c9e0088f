"""The study's one command line: python -m human_study COMMAND [options]."""

import importlib
import sys

COMMANDS = {  # module with main(argv); loaded when asked for, so that reading a plan loads no web server
    "plan": "human_study.design.plan",
    "power": "human_study.design.power",
    "hits": "human_study.batch.hits",
    "serve": "human_study.server.serve",
    "export": "human_study.server.export",
    "forget": "human_study.server.forget",
    "collect": "human_study.platforms.collect",
    "analyze": "human_study.analysis.analyze",
    "simulate": "human_study.rehearsal.simulate",
}


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        sys.exit(f"usage: python -m human_study {{{','.join(COMMANDS)}}} ...")
    importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])


if __name__ == "__main__":
    main()
