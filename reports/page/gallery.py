"""Pictures of the report: exact copies under report/images, and what the template needs to show them."""

from pathlib import Path
from urllib.parse import quote

from data.errors import InputError
from data.files import write_bytes
from evaluation.run_directory import PHOTOS, Method, RunDirectory
from reports.tables import pictures
from writing.words import counted

SCENES = 12
DIVERSITY_SCENES = 6
SAMPLE_STEPS = 4


class Gallery:
    """written: files of this report; all others in images/ are left over from an earlier one."""

    def __init__(self, run: RunDirectory, folder: Path):
        self.run, self.folder, self.written = run, folder, set()
        self.layouts, self.methods, self.labels = run.layouts(), run.methods(), run.labels()
        self.size = pictures.image_size(run)
        self.scale = pictures.display_scale(self.size[1])

    @property
    def scene_names(self) -> list[str]:
        return pictures.evenly_spaced(self.layouts, SCENES)

    @property
    def rule(self) -> str:
        if len(self.scene_names) == len(self.layouts):
            return f"All {counted(len(self.scene_names), 'validation layout')}."
        return (f"{len(self.scene_names)} of {len(self.layouts):,} validation layouts, evenly spaced in the sorted "
                "list of names, first and last included; not picked by looks.")

    def scene(self, name: str) -> dict:
        """given: layout and photograph, always side by side. images: one from every method."""
        return {"name": name, "given": [self._layout(name), self._copy(PHOTOS, "Photograph", name)],
                "images": [self._copy(m.name, m.title, name) for m in self.methods]}

    def scenes(self) -> list[dict]:
        return [self.scene(name) for name in self.scene_names]

    def diversity(self) -> list[dict]:
        """For each method with several images per layout: scenes with all its images."""
        return [{"title": method.title, "k": method.images_per_layout,
                 "scenes": [self.scene(name) | {"images": [
                     self._copy(method.name, f"image {u}", name, self.run.variant_file(method.name, name, u))
                     for u in range(1, method.images_per_layout + 1)]}
                            for name in pictures.evenly_spaced(self.layouts, DIVERSITY_SCENES)]}
                for method in self.methods if method.images_per_layout > 1]

    def samples(self) -> list[dict]:
        """For each method the sample pictures of its training, a strip of layouts per step."""
        return [{"title": method.title, "steps": steps} for method in self.methods
                if (steps := [self._sample(method, step, file) for step, file in
                              pictures.sample_files(self.run, method.name, SAMPLE_STEPS)])]

    def _sample(self, method: Method, step: int, file: Path) -> dict:
        title = f"step {step:,}"
        try:
            content = pictures.png_bytes(file)
        except InputError as error:
            return self._missing(method.name, title, f"Samples of {method.title}, {title}", error)
        return self._item(method.name, title, f"Samples of {method.title}, {title}", content,
                          f"samples/{method.name}/{file.name}")

    def _layout(self, name: str) -> dict:
        alt = f"Layout of scene {name}"
        try:
            content = pictures.layout_png(self.run.layout(name), self.labels)
        except InputError as error:
            return self._missing("layout", "Layout", alt, error)
        return self._item("layout", "Layout", alt, content, f"layouts/{name}.png")

    def _copy(self, key: str, title: str, name: str, file: Path | None = None) -> dict:
        file, alt = file or self.run.image_file(key, name), f"{title} of scene {name}"
        try:
            content = pictures.png_bytes(file)
        except InputError as error:
            return self._missing(key, title, alt, error)
        target = f"photos/{file.name}" if key == PHOTOS else f"methods/{key}/{file.parent.name}/{file.name}"
        return self._item(key, title, alt, content, target)

    def _item(self, key: str, title: str, alt: str, content: bytes, target: str) -> dict:
        path = self.folder / "images" / target
        if path not in self.written:
            write_bytes(path, content)
            self.written.add(path)
        return {"key": key, "title": title, "src": f"images/{quote(target)}", "alt": alt}

    @staticmethod
    def _missing(key: str, title: str, alt: str, error: InputError) -> dict:
        return {"key": key, "title": title, "src": None, "alt": alt, "problem": str(error)}
