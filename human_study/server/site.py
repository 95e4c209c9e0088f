"""The study server's settings: its addresses, its panel, and everything derived from the study's key."""

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from human_study.batch.assets import LAYOUTS, in_language
from human_study.batch.folder import PlannedTrial
from human_study.responses.keys import keyed, opaque, same
from human_study.server.security import RateLimit
from human_study.server.store import Session, Store
from human_study.trials.trials import INSTRUCTION

SIGNATURE = "sig"  # URL parameter
PREVIEW = "preview"  # begins the id of a session that is not stored
TOKEN_LETTERS = 43  # hex digits: 172 bits
SESSIONS_AT_ONCE = 512  # whose picture names are kept in memory


@dataclass(frozen=True)
class Panel:
    """How a recruiting platform names its URL parameters, and where participants go at the end ({code} filled in) or if
    they withdraw or find the study full ({reason} filled in)."""

    platform: str
    participant: str
    assignment: str = ""
    complete_url: str = ""
    study: str = ""
    return_url: str = ""


PANELS = {
    "prolific": Panel("prolific", "PROLIFIC_PID", "SESSION_ID",
                      "https://app.prolific.com/submissions/complete?cc={code}", "STUDY_ID"),
    "local": Panel("local", "participant"),
}


@dataclass
class Site:
    """origins: scheme://host:port under which pages are opened; hosts: names that requests may be addressed to."""

    store: Store
    origins: tuple[str, ...]
    hosts: tuple[str, ...]
    panel: Panel = PANELS["local"]
    completion_code: str = ""  # the panel's own code; empty: one per session
    secure: bool = False  # reached by https: cookies are sent by nothing else
    limits: RateLimit = field(default_factory=lambda: RateLimit(rate=20, burst=60))  # of one session
    guesses: RateLimit = field(default_factory=lambda: RateLimit(rate=20, burst=100))  # of invalid links together
    newcomers: RateLimit = field(default_factory=lambda: RateLimit(rate=20, burst=100))  # of a panel together
    complaints: RateLimit = field(default_factory=lambda: RateLimit(rate=0.1, burst=1))  # lines for the experimenter
    only_ids: frozenset[str] | None = None  # ids of a panel that may take part; None: all
    signed_ids: bool = False  # a panel's address must hold the signature of its id
    excluded: frozenset[str] = frozenset()  # pseudonyms of participants of earlier studies, such as a pilot
    flags: tuple[float, dict[str, int]] | None = None  # when they were counted, and finished sessions by broken rule
    _pictures: dict[tuple, dict[str, str]] = field(default_factory=dict)
    _names: dict[tuple, str] = field(default_factory=dict)

    def token(self, purpose: str) -> str:
        """Token of a link that is not one participant's: "admin", "panel", "kiosk". The same after a restart."""
        return keyed(self.store.key, "token", purpose)[:TOKEN_LETTERS]

    def link(self, token: str) -> str:
        """A participant's own link."""
        return f"{self.origins[0]}/s/{token}"

    def signature(self, person: str) -> str:
        """Of a panel's id: somebody who knows only the id cannot answer in its name."""
        return keyed(self.store.key, "panel id", self.panel.platform, person)[:TOKEN_LETTERS]

    def panel_address(self, person: str) -> str:
        query = {self.panel.participant: person} | ({SIGNATURE: self.signature(person)} if self.signed_ids else {})
        return f"{self.origins[0]}/p/{self.token('panel')}?{urlencode(query)}"

    def excludes(self, person: str) -> bool:
        """Whether a panel's participant took part in an earlier study that is kept out, or was forgotten where the
        protocol turns such participants away."""
        known = self.panel.platform, person
        return self.store.pseudonym(*known) in self.excluded or (
            not self.store.batch.protocol.forgotten_may_return and self.store.was_forgotten(*known))

    def session_key(self, purpose: str, session_id: str) -> str:
        """The proof of a page for its session: "api" in a header, "cookie" in the browser."""
        return f"{session_id}.{keyed(self.store.key, purpose, session_id)[:TOKEN_LETTERS]}"

    def session_of(self, purpose: str, key: str) -> Session | None:
        session_id = key.partition(".")[0]
        return self.store.session(session_id) if same(key, self.session_key(purpose, session_id)) else None

    def picture_name(self, session: Session, asset_id: str) -> str:
        """A name of the picture that holds for one session only, so that two participants cannot compare."""
        asset_id = self._in_language(asset_id, session.language)
        return f"{session.session_id}-{opaque(self.store.key, 'picture', session.session_id, asset_id)}"

    def layout_of(self, trial: PlannedTrial) -> str | None:
        """asset_id of the layout that is shown with a trial; None without one."""
        return self._asset(self.store.batch.assets[trial.assets[0]].table, LAYOUTS, trial.image_id)

    def _in_language(self, asset_id: str, language: str | None) -> str:
        """Instruction checks name the side to choose in the participant's language."""
        asset, protocol = self.store.batch.assets[asset_id], self.store.batch.protocol
        if asset.method not in INSTRUCTION or language not in protocol.languages:
            return asset_id
        return self._asset(asset.table, asset.method, in_language(asset.image_id, language, protocol)) or asset_id

    def _asset(self, *name: str) -> str | None:
        if not self._names:
            self._names.update({asset.name: asset.asset_id for asset in self.store.batch.assets.values()})
        return self._names.get(name)

    def preview(self, language: str = "") -> Session | None:
        """A session that is not stored and has no participant: the first HIT, for anybody with the preview's link."""
        if language not in self.store.batch.protocol.languages:
            return None
        nobody = Session(**dict.fromkeys(Session.__dataclass_fields__))
        return replace(nobody, session_id=f"{PREVIEW}_{language}", hit_id=next(iter(self.store.batch.hits)),
                       language=language)

    def asset_of(self, name: str) -> str | None:
        """The asset behind a picture name of this server; None for any other name."""
        session_id = name.partition("-")[0]
        kind, _, language = session_id.partition("_")
        session = self.preview(language) if kind == PREVIEW else self.store.session(session_id)
        if session is None:
            return None
        kept = (session.session_id, session.hit_id)
        if kept not in self._pictures:
            if len(self._pictures) >= SESSIONS_AT_ONCE:
                self._pictures.clear()
            assets = {asset for trial in self.store.trials(session)
                      for asset in (*trial.assets, self.layout_of(trial))}
            self._pictures[kept] = {self.picture_name(session, asset): self._in_language(asset, session.language)
                                    for asset in assets if asset}
        return self._pictures[kept].get(name)
