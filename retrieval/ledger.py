"""The books of one stream: of a bundle's, which account for every byte, and of a single file's, which only ask."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.utils import timezone

from retrieval import accounting
from retrieval.accounting import Fault, Superseded
from retrieval.bundle import Bundle
from retrieval.fetching import Unfit
from retrieval.gzplan import Differs
from retrieval.models import Outcome
from retrieval.ranges import Span
from retrieval.rights import revoked
from retrieval.streams import Place
from retrieval.transfer import Refused


class BundleLedger:
    """`guarded`: products that this person reads by a right that may end; `tracked`: whether to write down."""

    def __init__(
        self,
        retrieval_id: str,
        bundle: Bundle,
        user_id: int | None,
        guarded: Collection[int],
        place: Place,
        *,
        tracked: bool,
    ) -> None:
        self._retrieval_id = retrieval_id
        self._bundle = bundle
        self._user_id = user_id
        self._guarded = guarded
        self._place = place
        self._tracked = tracked

    def is_guarded(self, index: int) -> bool:
        """Whether the right to read this member may end."""
        return index < len(self._bundle.positions) and self._bundle.product_ids[index] in self._guarded

    def ask(self, indices: Sequence[int]) -> None:
        """Raise Refused if the person may no longer read one of these members."""
        places = {self._bundle.product_ids[index]: index for index in indices}
        for product_id, verdict in revoked(self._user_id, list(places), timezone.now()).items():
            index = places[product_id]
            position = self._bundle.positions[index]
            raise Refused(index, Fault(position, Outcome.DENIED, verdict.reason, verdict.public_on))

    def enter(self, spans: Sequence[Span]) -> None:
        """These bytes of the bundle have arrived. Raises Superseded when they are of a bundle that is no more."""
        now = timezone.now()
        self._place.keep(now)
        if not self._tracked:
            return
        for span in spans:
            accounting.record(self._retrieval_id, self._bundle, span, now)
        if not spans:
            accounting.still_going(self._retrieval_id, self._bundle.plan.etag, now)

    def close(self, end: Exception | None, *, whole: bool) -> None:
        """The stream has ended: because of a file, or because its client went before the end."""
        self._place.leave()
        if not self._tracked or isinstance(end, Superseded):
            return
        etag, now = self._bundle.plan.etag, timezone.now()
        if isinstance(end, Refused):
            accounting.cut(self._retrieval_id, etag, end.fault, now)
        elif isinstance(end, Unfit):
            self._end_at(end, now)
        elif isinstance(end, Differs):
            accounting.repack(self._retrieval_id, etag, self._position(end.index), now)
        elif not whole:
            accounting.interrupted(self._retrieval_id, etag, now)

    def _end_at(self, unfit: Unfit, now: datetime) -> None:
        """A store that does not give a file at present may give it later; any other fault lasts."""
        etag, position = self._bundle.plan.etag, self._bundle.positions[unfit.index]
        if unfit.temporary:
            accounting.pause(self._retrieval_id, etag, position, unfit.reason, now)
        else:
            accounting.cut(self._retrieval_id, etag, Fault(position, Outcome.FAILED, unfit.reason), now)

    def _position(self, index: int) -> int | None:
        """Of a member; None of a manifest."""
        return self._bundle.positions[index] if index < len(self._bundle.positions) else None


class FileLedger:
    """Nothing is written down of a single file; the right to read it is asked for as long as it is sent."""

    def __init__(self, user_id: int | None, product_id: int, place: Place) -> None:
        self._user_id = user_id
        self._product_id = product_id
        self._place = place
        self._begun = False

    def is_guarded(self, index: int) -> bool:
        """Any right may end in the hours that a file may take."""
        del index
        return True

    def ask(self, indices: Sequence[int]) -> None:
        """Raise Refused if the person may no longer read it. When it begins, that was asked just before."""
        begun, self._begun = self._begun, True
        if not begun:
            return
        for verdict in revoked(self._user_id, [self._product_id], timezone.now()).values():
            raise Refused(indices[0], Fault(0, Outcome.DENIED, verdict.reason, verdict.public_on))

    def enter(self, spans: Sequence[Span]) -> None:
        """The stream lives."""
        del spans
        self._place.keep(timezone.now())

    def close(self, end: Exception | None, *, whole: bool) -> None:
        """The stream has ended."""
        del end, whole
        self._place.leave()
