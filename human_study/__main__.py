"""The study's one command line: python -m human_study COMMAND [options]; the commands are in human_study.commands."""

from collections.abc import Sequence

from data.errors import one_line_errors
from human_study.commands import COMMANDS
from human_study.options import OneLineParser


def parser() -> OneLineParser:
    whole = OneLineParser(prog="python -m human_study", description="A human study, from images to an analysis.")
    chosen = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = chosen.add_parser(name, help=command.text, description=command.text)
        for flag, more in command.options:
            own.add_argument(flag, **more)
    return whole


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    with one_line_errors(f"python -m human_study {args.command}"):
        COMMANDS[args.command].run(args)


if __name__ == "__main__":
    main()
