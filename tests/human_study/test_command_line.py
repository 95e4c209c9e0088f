"""The command line: the packages that it loads, and its errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from human_study.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pandas", "scipy", "statsmodels", "matplotlib", "starlette", "uvicorn", "jinja2", "playwright")
RUN = "import sys; from human_study.__main__ import main; main(sys.argv[1:])"
LOADED = f"{RUN}; print([name for name in {HEAVY} if name in sys.modules])"


def loaded(code: str, *arguments: str) -> str:
    """The heavy packages that are loaded when the code has run, as it prints them last."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_help_and_reading_a_batch_load_nothing_heavy():
    code = ("import sys, human_study.__main__ as line, human_study.batch.folder, human_study.page.page; "
            f"line.parser().format_help(); print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded(code) == "[]"


def test_a_plan_without_power_loads_neither_tables_nor_a_web_server(tiny_run):
    assert loaded(LOADED, "plan", "--run", str(tiny_run.path), "--protocol", "crn2017-unlimited",
                  "--rounds", "0") == "['scipy']"


def test_a_batch_is_written_without_torch_and_pandas(tiny_run):
    found = loaded(LOADED, "hits", "--run", str(tiny_run.path), "--protocol", "crn2017-unlimited")
    assert found == "['jinja2']" and (tiny_run.study / "crn2017-unlimited" / "public" / "hits-01.csv").exists()


def test_tables_are_analysed_without_torch_web_server_and_page():
    code = ("import sys, human_study.platforms.collect; figures = 'matplotlib' in sys.modules; "
            "import human_study.analysis.outputs; print(figures, [name for name in ('torch', 'starlette', 'uvicorn', "
            "'jinja2') if name in sys.modules])")
    assert loaded(code) == "False []"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reports_errors_in_one_line(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--nonsense"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.startswith("python -m human_study") and error.count("\n") == 1


def test_no_command_and_an_unknown_one(capsys):
    for arguments, message in (([], "COMMAND"), (["analyse"], "invalid choice: 'analyse'")):
        with pytest.raises(SystemExit):
            main(arguments)
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_settings_are_written_as_in_the_main_job(tiny_run, capsys):
    main(["plan", "--run", str(tiny_run.path), "--protocol", "lab", "--set", "hits=3", "test_trials=4", "sentinels=1",
          "--set", "practice=0", "repeats=0"])
    assert "3 sessions" in capsys.readouterr().out
