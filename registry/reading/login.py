"""What a server is shown of who asks, and how its certificate is checked: as MLflow's own client does it.

Variables: https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/ and
`mlflow/environment_variables.py`. That client also goes by REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.
"""

import base64
import configparser
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quantgate.pipelines.domain.errors import InputError

_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_TOKEN = "MLFLOW_TRACKING_TOKEN"
_INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
_BUNDLES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CLIENT = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
_CREDENTIALS = Path(".mlflow") / "credentials"


class LentLogin:
    """An address's login in the process's environment, where MLflow's client reads it; nobody else gets it.

    MLflow has no other way to be told (`mlflow/utils/credentials.py`). What the variables held before is put
    back as soon as another address is asked.
    """

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._before: dict[str, str | None] = {}

    def lend(self, login: Mapping[str, str]) -> None:
        """Put `login` (variable: word) into the environment in place of what was lent last."""
        for name, before in self._before.items():
            if os.environ.get(name) != self._words[name]:
                continue
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
        self._words = {name: word for name, word in login.items() if os.environ.get(name) != word}
        self._before = {name: os.environ.get(name) for name in self._words}
        os.environ.update(self._words)

    def own_word(self, name: str, environment: Mapping[str, str]) -> str | None:
        """Return what `environment` says of a variable, unless that is lent."""
        word = environment.get(name)
        return None if word is not None and word == self._words.get(name) else word


LENT = LentLogin()


def authorization(uri: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the header of a login: the address's, else the environment's, else that of MLflow's own file."""
    parts = urlsplit(uri)
    theirs = {name: LENT.own_word(name, environment) for name in (_USER, _PASSWORD)}
    user = unquote(parts.username or "") or theirs.get(_USER)
    password = unquote(parts.password or "") or theirs.get(_PASSWORD)
    token = environment.get(_TOKEN)
    if not (user or password or token):
        user, password = _kept_login(environment)
    if user and password:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def tls_context(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return how a server's certificate is checked.

    Raises:
        InputError: where a variable names no certificate.
    """
    bundle = next((name for name in _BUNDLES if environment.get(name)), None)
    place = environment[bundle] if bundle else None
    folder = place is not None and Path(place).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else place, capath=place if folder else None
        )
    except OSError as error:
        raise InputError(
            f"names no certificates ({place}: {error})",
            where=str(bundle),
            next_step="let it name a file of certificates, or unset it",
        ) from error
    if environment.get(_INSECURE, "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client := environment.get(_CLIENT):
        try:
            context.load_cert_chain(client)
        except OSError as error:
            raise InputError(
                f"names no client certificate ({client}: {error})",
                where=_CLIENT,
                next_step="let it name a file with certificate and key, or unset it",
            ) from error
    return context


def _kept_login(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return user and password of `~/.mlflow/credentials`, which `mlflow` wrote."""
    home = environment.get("HOME")
    if not home or not (path := Path(home) / _CREDENTIALS).is_file():
        return None, None
    kept = configparser.ConfigParser(interpolation=None)
    try:
        kept.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None, None
    section = kept["mlflow"] if kept.has_section("mlflow") else {}
    return section.get(_USER.lower()), section.get(_PASSWORD.lower())
