"""`quantgate releases`: what was noticed and what became of it, and taking one up again."""

from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.running.activity import show_claims
from quantgate.flows.releases.claims import Claims
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.records import to_json


def releases_command(name: str | None, *, reopen: bool, as_json: bool) -> int:
    """Print claims, or reopen the latest one of an entry.

    Raises:
        NotFoundError: nothing was ever noticed of this entry.
        InputError: nobody said which entry to reopen.
    """
    claims = Claims(Settings.from_environment().store.root)
    everything = claims.all()
    listed = [claim for claim in everything if name in (None, claim.label)]
    if name is not None and not listed:
        labels = ", ".join(sorted({claim.label for claim in everything}))
        raise NotFoundError(
            "nothing was noticed of it", where=name, next_step=f"noticed: {labels or 'nothing yet'}"
        )
    if reopen:
        if name is None:
            raise InputError("says of which entry", where="--reopen", next_step="name one")
        latest = max(listed, key=lambda claim: claim.changed_at)
        listed = [claims.reopen(latest)]
    if as_json:
        print_json({"releases": [to_json(claim) for claim in listed]})
    else:
        show_claims(listed)
    return 0
