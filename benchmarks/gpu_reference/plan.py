"""What benchmarks.gpu_reference measures and trains, at full size and as a rehearsal for a CPU."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bench:
    """A call of benchmarks.train_step. name: of its JSON. seconds: more than this must be left of the phase."""

    name: str
    arguments: tuple[str, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class Scale:
    """benches: one after another while nothing else uses the GPU; the last one's methods are the probe that the budget
    of the trainings follows from. compiled: benches with torch.compile. *_seconds: what a phase may take.

    seeds: methods that are trained with further seeds, most_seeds in all. images: bounds of the budget of every method.
    jobs: trainings at a time, each in a process; 0: one after another. tune: further settings of the preset.
    precision_images, memorise_images: budgets of the two experiments.
    """

    preset: str
    benches: tuple[Bench, ...]
    compiled: tuple[Bench, ...]
    bench_seconds: float
    evaluation_seconds: float
    methods: tuple[str, ...]
    seeds: tuple[str, ...]
    most_seeds: int
    images: tuple[int, int]
    jobs: int
    precision_images: int
    memorise_images: int
    photographs: int = 8
    tune: tuple[str, ...] = field(default=())


# In the order of the paper's Table 1: the weakest baseline first.
METHODS = ("crn", "image_space", "gan_segmentation", "pix2pix", "encoder_decoder", "full_resolution", "crn_diversity",
           "recombinator")
SEEDS = ("crn", "pix2pix", "full_resolution", "image_space")
HARNESS = ("--rows", "harness: all")

FULL = Scale(
    preset="camvid-reference",
    benches=(
        Bench("train_step_256p_cuda", ("--preset", "cityscapes-256p", "--seconds", "5"), 25),
        Bench("train_step_camvid_reference_cuda", ("--preset", "camvid-reference", "--methods", ",".join(METHODS),
                                                   *HARNESS, "--seconds", "0.7"), 20),
        Bench("train_step_1024p_cuda", ("--preset", "cityscapes-1024p", "--seconds", "4"), 25),
        Bench("train_step_1024p_recomputed_cuda", ("--preset", "cityscapes-1024p", *HARNESS, "--seconds", "1", "--set",
                                                   "training.activation_checkpointing=true"), 6),
        Bench("train_step_512p_cuda", ("--preset", "cityscapes-512p", "--seconds", "4"), 20),
        Bench("train_step_256p_batch4_cuda", ("--preset", "cityscapes-256p", "--batch", "4", *HARNESS, "--seconds",
                                              "1"), 6),
        Bench("train_step_1024p_everything_cuda", ("--preset", "cityscapes-1024p", *HARNESS, "--seconds", "1", "--set",
                                                   "training.trainable=all"), 6),
    ),
    compiled=(Bench("train_step_256p_compiled_cuda", ("--preset", "cityscapes-256p", "--rows", "naive", "harness",
                                                      "--compile", "default", "reduce-overhead", "--seconds", "5")),),
    bench_seconds=95, evaluation_seconds=70, methods=METHODS, seeds=SEEDS, most_seeds=4, images=(1101, 36700), jobs=4,
    precision_images=1600, memorise_images=5000)

_TINY_SIZE = ("--size", "16", "32", "--batch", "2", "--seconds", "0.05")
TINY = Scale(
    preset="smoke",
    benches=(Bench("train_step_small", ("--preset", "smoke", *_TINY_SIZE)),
             Bench("train_step_probe", ("--preset", "smoke", "--methods", "crn,image_space", *HARNESS, *_TINY_SIZE))),
    compiled=(),
    bench_seconds=60, evaluation_seconds=45, methods=("crn", "image_space"), seeds=("crn", "image_space"),
    most_seeds=2, images=(16, 16), jobs=2, precision_images=16, memorise_images=16, photographs=2,
    tune=("data.train=16", "data.val=8", "perceptual.images_seen=8", "judge.images_seen=8", "score.bootstrap=100",
          "objectives.content={calibrate_at: 1}"))
