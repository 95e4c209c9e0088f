"""What the study server knows of itself: its addresses, its panel, and everything derived from the study's key."""

from dataclasses import dataclass, field

from human_study.server.security import RateLimit
from human_study.server.store import Session, Store
from human_study.table.keys import keyed, opaque, same

KIOSK = "kiosk"  # assignment_id of sessions begun at the kiosk
TOKEN_LETTERS = 43  # hex digits: 172 bits
SESSIONS_AT_ONCE = 512  # whose picture names are kept in memory


@dataclass(frozen=True)
class Panel:
    """How a recruiting platform names its URL parameters, and where participants go at the end ({code} filled in)."""

    platform: str
    worker: str
    assignment: str = ""
    complete_url: str = ""


PANELS = {
    "prolific": Panel("prolific", "PROLIFIC_PID", "SESSION_ID",
                      "https://app.prolific.com/submissions/complete?cc={code}"),
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
    _pictures: dict[tuple, dict[str, str]] = field(default_factory=dict)

    def token(self, purpose: str) -> str:
        """Token of a link that is not one participant's: "admin", "panel", "kiosk". The same after a restart."""
        return keyed(self.store.key, "token", purpose)[:TOKEN_LETTERS]

    def link(self, token: str) -> str:
        """A participant's own."""
        return f"{self.origins[0]}/s/{token}"

    def session_key(self, purpose: str, session_id: str) -> str:
        """What a page proves its session with: "api" in a header, "cookie" in the browser."""
        return f"{session_id}.{keyed(self.store.key, purpose, session_id)[:TOKEN_LETTERS]}"

    def session_of(self, purpose: str, key: str) -> Session | None:
        session_id = key.partition(".")[0]
        return self.store.session(session_id) if same(key, self.session_key(purpose, session_id)) else None

    def picture_name(self, session: Session, asset_id: str) -> str:
        """A name of the picture that holds for one session only, so that two participants cannot compare."""
        return f"{session.session_id}-{opaque(self.store.key, 'picture', session.session_id, asset_id)}"

    def asset_of(self, name: str) -> str | None:
        """The asset of a picture name that was given out; None for anything else."""
        session = self.store.session(name.partition("-")[0])
        if session is None:
            return None
        kept = (session.session_id, session.hit_id)
        if kept not in self._pictures:
            if len(self._pictures) >= SESSIONS_AT_ONCE:
                self._pictures.clear()
            assets = {asset for trial in self.store.trials(session) for asset in (trial.left_asset, trial.right_asset)}
            self._pictures[kept] = {self.picture_name(session, asset): asset for asset in assets}
        return self._pictures[kept].get(name)
