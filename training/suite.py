"""The networks of a run: those that ship with its dataset or come from files, and those that it trains into its
directory, each as one task of the harness."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from baselines.methods import MethodSpec, build_generator, build_method, method_spec, needed_networks
from data import FIXED_NETWORKS, open_dataset, rendered
from data.errors import InputError
from data.files import fingerprint
from data.pairs import PairDataset, pairs_key
from data.views import Cached
from models.auxiliary import CrossEntropy, LabelsAndColours, PerceptualWithHeads
from models.fixed import misfit, read_card, read_network
from models.objectives import PerceptualObjective, Trainable, calibration_step, plan_calibration
from models.perceptual import PerceptualNet, tensor_hashes, weights_sha256
from models.segmentation import DilatedNet, ResidualUNet
from models.vgg_files import load_perceptual
from presets.schema import Preset, Section, SegmenterConfig, TrainingConfig
from training import checkpoint
from training.fabric import choose_precision, make_fabric, resolve_device, solo_fabric
from training.feature_cache import PhotoFeatureCache
from training.group import Group, group_size
from training.harness import CHECKPOINT, TrainingTask, fit, is_finished, steps_of
from training.progress import Watcher
from training.start import freeze_all_but_last, read_source, source_file, take_over

ROLES = ("perceptual", "segmenter", "judge")
MADE_BY_RUN = ("auto", "trained")  # sources of a network that neither ships with the dataset nor is read from a file
SAMPLES = 4  # validation layouts of which pictures are written during training


def derived_seed(seed: int, role: str) -> int:
    """A seed of its own for every network, so that adding one never changes another."""
    return int(fingerprint(seed, role)[:8], 16) >> 1


class Suite:
    """The networks of one run. Each is trained on first use and read from its checkpoint afterwards.

    watch: called with the position of every training.
    """

    def __init__(self, preset: Preset, folder: Path, watch: Watcher | None = None):
        self.preset, self.folder, self.watch = preset, Path(folder), watch
        self.device = resolve_device(preset.device)
        self.size: tuple[int, int] = tuple(preset.data.size)

    @cached_property
    def fabric(self) -> Fabric:
        training = self.preset.training
        precision, _ = choose_precision(training.precision, self.device)
        return make_fabric(self.device, precision, training.group_timeout)

    @cached_property
    def group(self) -> Group:
        """The processes that torchrun started for this run, or this one alone."""
        if group_size() == 1:
            return Group()
        return Group(self.fabric, self.preset.training.group_timeout)

    def leave_group(self) -> bool:
        """End of the work that the processes share. The first one, for which this is true, continues alone."""
        leads = self.group.leads
        self.group.leave()
        self.group = Group()
        return leads

    @cached_property
    def train(self) -> PairDataset:
        return open_dataset(self.preset.data, "train", self.preset.data.seed)

    @cached_property
    def val(self) -> PairDataset:
        return open_dataset(self.preset.data, "val", self.preset.data.seed)

    def scenes_in_memory(self) -> Cached | None:
        """The training pairs, where they took long to make and have all been made: other processes need not do it
        again."""
        train = self.__dict__.get("train")
        return train if isinstance(train, Cached) and train.computed and train.full else None

    @property
    def classes(self) -> int:
        return len(self.val.labels)

    @cached_property
    def perceptual(self) -> PerceptualNet:
        """The frozen network of the content loss: the dataset's, from a file, or made by the run (narrow, on the train
        split)."""
        config = self.preset.perceptual
        if self.card("perceptual") is not None:
            return self._fixed("perceptual")
        if config.source not in MADE_BY_RUN:
            return load_perceptual(config.source, config.path, config.convention, network=config.network,
                                   label=config.label)
        budget = TrainingConfig(images_seen=config.images_seen, batch=8, lr=2e-3, lr_decay=0.3, precision="float32")
        network = self._network("perceptual", lambda: PerceptualWithHeads(
            PerceptualNet.at_width(config.width, network=config.network), self.classes), budget, LabelsAndColours)
        network.net.origin = {"source": "trained by this run", "task": "layouts and colours of the train split"}
        return network.net.freeze()

    @cached_property
    def segmenter(self) -> nn.Module:
        """The frozen network inside the loss of GAN + semantic segmentation."""
        config = self.preset.segmenter
        if self.card("segmenter") is not None:
            return self._fixed("segmenter")
        return self._network("segmenter", lambda: DilatedNet(self.classes, config.width), _budget(config))

    @cached_property
    def judge(self) -> nn.Module:
        """The judge's network: other architecture, seed and weights than anything used in a loss."""
        config = self.preset.judge
        if self.card("judge") is not None:
            return self._fixed("judge")
        return self._network("judge", lambda: ResidualUNet(self.classes, config.width), _budget(config))

    def card(self, role: str) -> dict[str, Any] | None:
        """Card of the network that ships with the dataset, if the preset uses it for this role; otherwise None.

        Raises InputError if the preset demands one and it does not fit the run's scenes.
        """
        config = getattr(self.preset, role)
        source = config.source
        folder = FIXED_NETWORKS.get(self.preset.data.dataset)
        if source not in ("auto", "fixed") or (source == "auto" and folder is None):
            return None
        scenes = rendered(self.preset.data.dataset)
        problem = misfit(folder, role, self.val.labels.names, scenes.version if scenes else None)
        if problem and source == "fixed":
            raise InputError(f"{role}: no fixed network for dataset '{self.preset.data.dataset}': {problem}")
        return None if problem else read_card(folder, role)

    def trains(self, role: str) -> bool:
        """Whether the run trains this network itself."""
        return self.card(role) is None and getattr(self.preset, role).source in MADE_BY_RUN

    def fixed_networks(self) -> dict[str, dict[str, Any]]:
        """By role: hashes and origin of the networks in use that ship with the dataset."""
        cards = {role: self.card(role) for role in ROLES}
        return {role: {key: card[key] for key in ("sha256", "weights_sha256", "scenes", "command")}
                for role, card in cards.items() if card is not None}

    def _fixed(self, role: str) -> nn.Module:
        return read_network(FIXED_NETWORKS[self.preset.data.dataset], role)[0]

    def network_folder(self, role: str) -> Path:
        return self.folder / "judges" / role

    def method_folder(self, name: str) -> Path:
        return self.folder / "methods" / name

    def _network(self, role: str, build: Callable[[], nn.Module], budget: TrainingConfig,
                 objective: type[CrossEntropy] = CrossEntropy) -> nn.Module:
        """Train on photographs and layouts of the train split, then freeze.

        In a group one process does it, so that the result does not depend on their number.
        """
        seed = derived_seed(self.preset.seed, role)
        torch.manual_seed(seed)
        network = build()
        key = fingerprint(self._data_key, role, _settings(getattr(self.preset, role)), seed)
        description = {"role": role, "classes": self.classes}
        budget = budget.model_copy(update={"workers": self.preset.training.workers})
        task = TrainingTask(role, self.network_folder(role), budget, seed, description, key)
        if self.group.leads and not is_finished(task):
            trainable = Trainable(network, objective(self.classes))
            fit(task, trainable, self.train, solo_fabric(self.device, budget.precision), watch=self.watch)
        self.group.barrier()
        network.load_state_dict(checkpoint.load(task.folder / CHECKPOINT)["generator"])
        return network.requires_grad_(False).eval()

    @cached_property
    def _data_key(self) -> dict[str, Any]:
        """Configuration of the data, and the training pairs in place of their folder: moved photographs are the same
        photographs, and others in the same place are not."""
        return self.preset.data.model_dump(exclude={"path", "val"}) | {"pairs": pairs_key(self.train)}

    def training_config(self, spec: MethodSpec, objective_defaults: dict[str, Any]) -> TrainingConfig:
        """The preset's training section, then the objective's usual optimiser, then the preset's overrides."""
        own: dict[str, Any] = {}
        for key in (spec.objective, spec.name):
            if key in self.preset.overrides:
                own |= self.preset.overrides[key].model_dump(exclude_none=True)
        return self.preset.training.model_copy(update={**objective_defaults, **own})

    def build(self, spec: MethodSpec) -> Trainable:
        """Freshly initialised from the run's seed; its loss networks are trained or read first."""
        networks = self.loss_networks(spec.name)
        torch.manual_seed(derived_seed(self.preset.seed, f"method {spec.name}"))
        return build_method(spec, self.classes, self.size, **networks)

    def train_method(self, name: str) -> dict[str, Any]:
        """Train one method, from its checkpoint if there is one; the fields of evaluation.run_directory.Method."""
        spec = method_spec(name, self.preset)
        method = self.build(spec)
        task = self._method_task(spec, method)
        plan_calibration(method.objective, steps_of(task.config), f"objectives.{spec.objective}")
        finished = is_finished(task)
        self.group.barrier()  # it must not be finished before every process has looked
        if not finished:
            self._begin(spec, method, task.config)
            fit(task, method, self.train, self.fabric, self.group, self.watch)
        saved = checkpoint.load(task.folder / CHECKPOINT, mapped=True)
        networks = method.objective.networks()
        return {
            "name": name, "title": spec.title, "generator": spec.generator, "objective": spec.objective,
            "images_per_layout": method.objective.images, "images_seen": saved["step"] * task.config.batch,
            "parameters": sum(p.numel() for p in method.generator.parameters()),
            "training_seconds": round(saved["seconds"], 1),
            "calibrated_at": step * task.config.batch if (step := calibration_step(method.objective)) else None,
            "loss_networks": {role: weights_sha256(network.state_dict()) for role, network in networks.items()},
            "loss_tensors": {role: sorted(tensor_hashes(network)) for role, network in networks.items()},
            "precision": saved["place"]["precision"],
            "notes": _notes(networks),
        }

    def loss_networks(self, name: str) -> dict[str, nn.Module]:
        """The frozen networks in the loss of a method, by role."""
        return {role: getattr(self, role) for role in needed_networks(method_spec(name, self.preset))}

    def train_photos(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 [n, 3, H, W], these photographs of the train split."""
        return np.stack([self.train[int(i)].photo for i in indices])

    def _method_task(self, spec: MethodSpec, method: Trainable) -> TrainingTask:
        networks = {role: weights_sha256(n.state_dict()) for role, n in method.objective.networks().items()}
        config = self.training_config(spec, method.objective.optimiser)
        seed = derived_seed(self.preset.seed, f"training {spec.name}")
        described = {"spec": asdict(spec), "classes": self.classes, "size": list(self.size),
                     "images": method.objective.images, "labels": self.val.labels.to_json()}
        shaping = config.model_dump(include={"images_seen", "batch", "lr", "betas", "lr_decay", "precision"})
        shaping |= config.model_dump(include={"adversary_lr", "trainable", "accumulate", "average"},
                                     exclude_defaults=True)
        if config.start_from:
            source = read_source(source_file(config.start_from, spec.name))
            shaping["start"] = weights_sha256(source["generator"])  # their values, not their path
        key = fingerprint(asdict(replace(spec, title="")), shaping, seed, self._data_key, networks)
        return TrainingTask(spec.title, self.method_folder(spec.name), config, seed, described, key, self._samples)

    @cached_property
    def photo_features(self) -> PhotoFeatureCache:
        """Features of photographs for all methods of the run, which share the network that gives them."""
        return PhotoFeatureCache(self.preset.training.cache_photo_features_gb)

    def _begin(self, spec: MethodSpec, method: Trainable, config: TrainingConfig) -> None:
        """Before the first step: weights of a coarser network, and which modules learn."""
        if config.start_from:
            source = source_file(config.start_from, spec.name)
            take_over(method.generator, self.val.labels.to_json(), read_source(source, mapped=False), source)
        freeze_all_but_last(method.generator, config.trainable, spec.title)
        if config.cache_photo_features_gb:
            for module in method.objective.modules():
                if isinstance(module, PerceptualObjective):
                    module.photo_cache = self.photo_features

    @cached_property
    def _samples(self) -> Tensor:
        picks = np.linspace(0, len(self.val) - 1, min(SAMPLES, len(self.val))).astype(int)
        return torch.stack([torch.from_numpy(self.val[int(i)].layout.copy()) for i in picks])


def _settings(config: Section) -> dict[str, Any]:
    """What shapes a network that the run trains, of its section of the preset."""
    if not isinstance(config, SegmenterConfig):
        return config.model_dump()
    return {"kind": config.source, **config.model_dump(include={"width", "images_seen", "batch", "lr"})}


def _budget(config: SegmenterConfig) -> TrainingConfig:
    return TrainingConfig(images_seen=config.images_seen, batch=config.batch, lr=config.lr, lr_decay=0.5,
                          precision="float32")


def _notes(networks: dict[str, nn.Module]) -> list[str]:
    """What a reader of the table must know about the networks in the loss."""
    if (perceptual := networks.get("perceptual")) is None:
        return []
    missing = perceptual.provenance()["taps_missing"]
    notes = [f"content loss without {', '.join(missing)}: the weights file ends before them"] if missing else []
    return [f"content loss on {perceptual.title}", *notes] if "file" in perceptual.origin else notes


def load_generator(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Generator of a finished checkpoint, in eval mode on the CPU, and its description. Needs no configuration.

    folder: that holds the checkpoint, or the file.
    The description's "order" lists a generator's images from the one that was the best on most of the training layouts'
    area, lately, to the least: the first represents the method wherever one image is shown.
    Raises InputError when there is none or training has not finished.
    """
    folder = Path(folder)
    saved = checkpoint.load(folder if folder.is_file() else folder / CHECKPOINT)
    if "spec" not in saved["description"]:
        raise InputError(f"{folder}: the checkpoint of a judge or of a loss network, not of a method")
    if saved["step"] < saved["steps"]:
        raise InputError(f"{folder}: training stopped at step {saved['step']} of {saved['steps']}; run the stage "
                         "`train` again to go on")
    described = saved["description"]
    generator = build_generator(MethodSpec(**described["spec"]), described["classes"], tuple(described["size"]),
                                described["images"])
    try:
        generator.load_state_dict(saved["generator"])
    except RuntimeError as error:
        raise InputError(f"{folder}: weights do not fit the network it describes "
                         f"({str(error).splitlines()[1].strip()})") from None
    wins = saved["objective"].get("wins", torch.zeros(described["images"]))
    return generator.eval(), described | {"order": wins.argsort(descending=True, stable=True).tolist()}
