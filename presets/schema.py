"""All settings of a preset, typed, with their defaults and reasons. An unknown key or a wrong type is an error.

A preset file names only what differs from these defaults; `extends: NAME` starts from another preset.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from data.configuration import DataConfig, Images, Section, Seed, apply_settings, first_problem, merge, with_new_keys
from data.errors import InputError, nearest
from data.files import list_folder, read_yaml

PRESET_FOLDER = Path(__file__).parent

Parts = Annotated[int, Field(ge=1, le=10**5)]  # images or their groups that are held at once
Beta = Annotated[float, Field(ge=0, lt=1)]  # a decay rate of Adam


class PerceptualConfig(Section):
    """The network of the content loss, VGG's topology with average pooling."""

    network: Literal["vgg19", "vgg16"] = "vgg19"  # the paper's, or the one whose weights are easier to come by
    # fixed: ships with the dataset; trained: made by the run on the train split; auto: fixed if there is one
    source: Literal["auto", "fixed", "trained", "torchvision", "matconvnet", "safetensors"] = "auto"
    path: str | None = None  # file of the weights; for auto, fixed and trained none
    label: str | None = None  # name of weights that are not ImageNet's, in protocols
    width: float = Field(0.125, gt=0, le=100)  # `trained` only: fraction of VGG's channels
    images_seen: Images = 1500  # `trained` only
    convention: Literal["caffe", "torchvision"] = "caffe"  # `safetensors` only: the input the weights expect

    @field_validator("path", "label")
    @classmethod
    def _not_of_the_trained(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is not None and others.data.get("source") in ("auto", "fixed", "trained"):
            sources = "torchvision|matconvnet|safetensors"
            raise PydanticCustomError("path", f"perceptual.{others.field_name} needs perceptual.source={sources}")
        return value


class SegmenterConfig(Section):
    """The segmentation network in the loss of GAN + segmentation. All but `source` is for one that the run trains."""

    # fixed: ships with the dataset; trained: by the run on the train split; auto: fixed if the dataset has one
    source: Literal["auto", "fixed", "trained"] = "auto"
    width: int = Field(24, ge=8, le=10**4)
    images_seen: Images = 2000
    batch: Parts = 8
    lr: float = Field(2e-3, gt=0)


JUDGES = {  # values of judge.source; how each is built stands in evaluation.networks.judges
    "auto": "the one that ships with the dataset, or else `trained`",
    "fixed": "the one that ships with the dataset",
    "trained": "a residual U-Net that the run trains on the train split",
    "huggingface": "a Hugging Face model for segmentation (SegFormer, Mask2Former)",
    "torchscript": "an exported network (TorchScript, torch.export) with a YAML",
    "none": "no judge, so no segmentation scores",
}


class JudgeConfig(SegmenterConfig):
    """The judge: the network that labels images for the segmentation scores. The extractor `judge` gives its features
    to the distances; judges from outside have none."""

    source: Literal[*JUDGES] = "auto"
    path: str | None = None  # folder or name of the Hugging Face model, or file of the exported network
    description: str | None = None  # YAML: of mean, std, size, labels; for a Hugging Face model of names of classes
    size: list[int] | None = Field(None, min_length=2, max_length=2)  # huggingface: height, width of its input
    match: Literal["names", "ids"] | None = None  # huggingface: how its classes meet the run's; None: by names
    at_once: int | None = Field(None, ge=1)  # from outside: images in one pass; None: as many as are read together

    @property
    def is_own(self) -> bool:
        """Whether it ships with the dataset or is trained by the run."""
        return self.source in ("auto", "fixed", "trained")


class TrainingConfig(Section):
    """One budget for every method. `overrides` changes optimiser settings, never the budget."""

    images_seen: Images = 3000
    batch: Parts = 4
    lr: float = Field(1e-3, gt=0)
    adversary_lr: float | None = Field(None, gt=0)  # None: lr
    betas: list[Beta] = Field([0.9, 0.999], min_length=2, max_length=2)
    lr_decay: float = Field(0.0, ge=0, le=1)  # last fraction of the budget over which lr falls linearly to 0
    average: float = Field(0.0, ge=0, lt=1)  # decay of the moving average of weights that images are made with; 0: none
    precision: Literal["auto", "float32", "bf16"] = "auto"  # auto: bf16 on GPUs that compute it natively
    checkpoint_seconds: float = Field(60.0, ge=0, le=1e9)  # time between checkpoints; one is always written at the end
    log_every: int = Field(10, ge=1)  # steps
    samples_every: int = Field(250, ge=1)  # steps between pictures of fixed validation layouts
    workers: int = Field(0, ge=0, le=1024)  # data loading processes
    start_from: str | None = None  # checkpoint, or run directory with one of the same method: all but the last layer
    trainable: str | int = "all"  # or: only the last n modules and the last layer
    accumulate: Parts = 1  # parts of a batch that go through the network one after another; saves memory
    activation_checkpointing: bool = False  # modules compute their activations again in the backward pass
    cache_photo_features_gb: float = Field(0.0, ge=0, le=1e6)  # memory for features of photographs seen before
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = None  # torch.compile; the 2nd: CUDA graphs
    group_timeout: float = Field(7200.0, gt=0, le=1e8)  # seconds that processes wait for one another

    @field_validator("trainable")
    @classmethod
    def _all_or_number(cls, value: str | int, others: ValidationInfo) -> str | int:
        if value != "all" and (not isinstance(value, int) or value < 1):
            raise PydanticCustomError("trainable", "expected all, or a number of modules from 1")
        if value != "all" and others.data.get("start_from") is None:
            raise PydanticCustomError("trainable", "the other modules would stay random: needs training.start_from")
        return value


class OptimiserOverride(Section):
    lr: float | None = Field(None, gt=0)
    adversary_lr: float | None = Field(None, gt=0)
    betas: list[Beta] | None = Field(None, min_length=2, max_length=2)
    lr_decay: float | None = Field(None, ge=0, le=1)
    average: float | None = Field(None, ge=0, lt=1)


EXTRACTOR_KINDS = {  # what each is; how it is built stands in evaluation.networks.extractors
    "judge": "features of the judge; judges from outside have none",
    "inception": "Inception of the original FID: FID, KID, IS",
    "vgg16": "VGG-16, second fully connected layer",
    "vgg19": "VGG-19 from a safetensors file, last layer in it",
    "squeezenet": "SqueezeNet 1.1 from a safetensors file, last layer in it",
    "transformers": "a Hugging Face model: DINOv2, CLIP and the like",
}


class ExtractorConfig(Section):
    """A feature extractor for distances, see evaluation.networks.extractors."""

    kind: str = "judge"  # one of EXTRACTOR_KINDS
    path: str | None = None  # weights file, or folder of a Hugging Face model; None: torch.hub's cache where it has one
    resize: str | None = None  # a key of evaluation.networks.resize.FILTERS; None: the usual one of the extractor
    size: list[int] | None = Field(None, min_length=2, max_length=2)  # height, width of the input; None: the usual one
    layer: str | None = None  # vgg19, squeezenet: index of the last layer used; None: the last one in the file
    convention: Literal["caffe", "torchvision"] = "caffe"  # vgg19, squeezenet: the input that the weights expect
    sha256: str | None = None  # weights other than the official file, on purpose; changes the score's name
    label: str | None = None  # in the names of scores, e.g. DINOv2; None: the extractor's own


class ScoreConfig(Section):
    metrics: list[str] | None = None  # names in evaluation.scoring.METRICS; None: all of them
    protocol: str | None = None  # of a published table, by name: see evaluation.protocols
    bootstrap: int = Field(2000, ge=100, le=10**6)  # resamples behind every interval
    block: int = Field(1, ge=1, le=10**9)  # layouts drawn together in a resample: more than 1 for frames of a film
    extractors: list[ExtractorConfig] = [ExtractorConfig()]
    kernel_subset_size: int | None = Field(None, ge=2)  # None: 1000, or half the images where they are fewer
    neighbours: int = Field(3, ge=1)  # of precision and recall
    density_neighbours: int = Field(5, ge=1)  # of density and coverage
    alike: float = Field(0.98, gt=0, le=1)  # thumbnails of training and scored photographs may correlate by that much
    lpips: str | None = None  # folder with the LPIPS trunk's torchvision weights (needs the package lpips)
    preferences: str | None = None  # JSON of people's preferences, to compare orders with; None: the run's own studies'


class StudyConfig(Section):
    protocol: str = "crn2017-unlimited"
    baseline: str = "crn"  # the method that every other one is compared with
    anchor: str | None = None  # method of the sentinels; None: the protocol's


class Preset(Section):
    extends: str | None = None
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    methods: list[str] = Field(
        ["crn", "crn_diversity", "pix2pix", "gan_segmentation", "encoder_decoder", "recombinator",
         "full_resolution", "image_space"])
    data: DataConfig = DataConfig()
    perceptual: PerceptualConfig = PerceptualConfig()
    judge: JudgeConfig = JudgeConfig()
    segmenter: SegmenterConfig = SegmenterConfig()
    training: TrainingConfig = TrainingConfig()
    overrides: dict[str, OptimiserOverride] = {}  # by objective or method name; the method's wins
    generators: dict[str, dict[str, Any]] = {}  # constructor options by generator name
    objectives: dict[str, dict[str, Any]] = {}  # constructor options by objective name
    score: ScoreConfig = ScoreConfig()
    study: StudyConfig = StudyConfig()

    @field_validator("methods")
    @classmethod
    def _each_once(cls, methods: list[str]) -> list[str]:
        twice = [name for i, name in enumerate(methods) if name in methods[:i]]
        if twice:
            raise ValueError(f"'{twice[0]}' is listed twice")
        return methods


def preset_names() -> list[str]:
    return sorted(file.stem for file in list_folder(PRESET_FOLDER, "*.yaml"))


def load_preset(name_or_file: str, settings: Sequence[str] = (), defaults: Sequence[str] = (),
                budget: int | None = None) -> Preset:
    """Read a preset by name or from a YAML file, apply `key=value` settings (dotted keys), and validate.

    defaults: settings that hold unless `settings` say otherwise. budget: images seen by each method; the settings that
    the preset has for it under `budgets` hold, too. Raises InputError for an unknown preset (with the
    nearest known name), broken YAML, an unknown key, a wrong type, a setting given twice.
    """
    values = _read(name_or_file, Path(), seen=())
    of_budgets = values.pop("budgets", {})
    if not isinstance(of_budgets, dict) or not all(isinstance(key, int) and isinstance(own, dict)
                                                   for key, own in of_budgets.items()):
        raise InputError(f"preset {name_or_file}: key 'budgets': settings for each number of images seen are expected, "
                         f"got {of_budgets!r}")
    if budget is not None:
        values = merge(values, merge(of_budgets.get(budget, {}), {"training": {"images_seen": budget}}))
    apply_settings(values, defaults)
    apply_settings(values, settings)
    return validate(values, f"preset {name_or_file}")


def validate(values: dict, where: str) -> Preset:
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{where}: {first_problem(error, Preset)}") from None


def of_older_version(values: dict, where: str) -> tuple[dict, list[str]]:
    """The configuration of an older version in the form of this one: renamed keys under their present names, missing
    ones with their defaults. Returns it with the keys that this version does not have, which are left out.

    Raises InputError for a value that this version does not take.
    """
    values, unknown = with_new_keys(values), []
    while True:
        try:
            return Preset.model_validate(values).model_dump(), unknown
        except ValidationError as error:
            problem = next((p for p in error.errors() if p["type"] == "extra_forbidden"), None)
            if problem is None:
                raise InputError(f"{where}: {first_problem(error, Preset)}") from None
            *sections, last = problem["loc"]
            del reduce(lambda found, key: found[key], sections, values)[last]
            unknown.append(".".join(map(str, problem["loc"])))


def _read(name_or_file: str, folder: Path, seen: tuple[Path, ...]) -> dict:
    """folder: that the path of a file is relative to."""
    file = folder / name_or_file
    if file.suffix not in (".yaml", ".yml"):
        file = PRESET_FOLDER / f"{name_or_file}.yaml"
        if not file.exists():
            raise InputError(f"unknown preset '{name_or_file}': {nearest(name_or_file, preset_names())} "
                             "(or give the path of a .yaml file)")
    if file.resolve() in seen:
        raise InputError(f"{file}: presets extend each other in a circle")
    values = read_yaml(file, "a preset")
    if (parent := values.get("extends")) is not None:
        if not isinstance(parent, str):
            raise InputError(f"{file}: key 'extends': the name of a preset or the path of a .yaml file is expected, "
                             f"got {parent!r}")
        values = merge(_read(parent, file.parent, (*seen, file.resolve())), values)
    return values
