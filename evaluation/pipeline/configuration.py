"""run.json: which configuration a run directory belongs to, and the refusal to mix two in one."""

from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import list_folder, write_json
from data.made import FORMAT
from evaluation.pipeline import lock
from evaluation.run_directory import RunDirectory
from presets.schema import Preset, of_older_version

# Settings that shape datasets and trained networks. All others (methods, scores, study) may change between calls.
SHAPING = ("seed", "data", "perceptual", "judge", "segmenter", "training", "overrides", "generators", "objectives")
# Weights count by their values, not by their path or name.
FREE = ("data.path", "perceptual.path", "perceptual.label", *(f"judge.{key}" for key in (
    "source", "path", "description", "size", "match", "at_once")), *(f"training.{key}" for key in (
    "checkpoint_seconds", "log_every", "samples_every", "workers", "start_from", "activation_checkpointing", "compile",
    "cache_photo_features_gb", "group_timeout")))


def record_configuration(folder: Path, preset: Preset, name: str, versions: dict[str, str], command: str,
                         networks: dict[str, dict[str, Any]] | None = None) -> None:
    """Write run.json, or check that the folder was made with the same shaping configuration.

    name: of the preset, for readers. Methods of earlier calls stay listed. command: as it was typed; that of the first
    call is kept, because later ones may name one stage only. networks: fixed ones by role, with their hashes.
    Raises InputError naming what differs, and for a folder of something else.
    """
    file = folder / "run.json"
    config = preset.model_dump()
    before: dict[str, Any] = {}
    if file.exists():
        before = RunDirectory(folder).config()
        recorded, unknown = of_older_version(before["config"], str(file))
        if unknown:
            print(f"  {file}: {', '.join(unknown)}: keys of another version of the suite, left out", flush=True)
        _refuse_difference(folder, recorded, config)
        config["methods"] = list(dict.fromkeys([*recorded["methods"], *config["methods"]]))
        versions = before.get("versions", {}) | versions
        command = before.get("command", command)
    elif folder.exists() and any(entry.name != lock.NAME for entry in list_folder(folder)):
        raise InputError(f"{folder}: not empty and not a run directory (no run.json); give another --out")
    content = {"format": FORMAT, "preset": name, "command": command, "config": config, "versions": versions,
               "fixed_networks": networks or {}}
    if before != content:
        write_json(file, content)


def _refuse_difference(folder: Path, before: dict, now: dict) -> None:
    old, new = (_flat({key: config.get(key) for key in SHAPING}) for config in (before, now))
    different = [key for key in sorted(old | new) if key not in FREE and old.get(key) != new.get(key)]
    if different:
        changes = "; ".join(f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in different[:5])
        more = f" and {len(different) - 5} more" if len(different) > 5 else ""
        raise InputError(f"{folder}: made with another configuration: {changes}{more}. Give another --out, go on with "
                         "the old values, or delete the folder")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted keys."""
    if not isinstance(value, dict) or not value:
        return {prefix: value} if prefix and value != {} else {}
    parts = (_flat(child, f"{prefix}.{key}" if prefix else str(key)) for key, child in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}
