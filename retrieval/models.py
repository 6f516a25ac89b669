"""Retrievals: what was asked for, frozen, and what became of every file of it.

Phases are UWS words (IVOA Universal Worker Service 1.1) and change only through the mark_* methods.
"""

import secrets
import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone


class Phase(models.TextChoices):
    """UWS execution phases."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ARCHIVED = "ARCHIVED"


ENDED = frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED})


class Method(models.TextChoices):
    """How the files travel."""

    ZIP = "zip", "Zip"
    TAR = "tar", "Tar"
    TAR_GZ = "tar.gz", "Compressed tar"
    SCRIPT = "script", "Script"


BUNDLES = frozenset({Method.ZIP, Method.TAR, Method.TAR_GZ})
"""Ways in which the files travel as one bundle, which is laid out, has a length, and a largest size."""


class Outcome(models.TextChoices):
    """What became of one file. Every file has exactly one: that is the conservation law."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DENIED = "denied"
    FAILED = "failed"
    SKIPPED = "skipped"


def new_id() -> str:
    """128 random bits: an identifier that cannot be guessed (OWASP ASVS 5.0 11.5.1)."""
    return secrets.token_urlsafe(16)


class Split(models.Model):
    """One request for more files than one bundle may hold, taken as several retrievals."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    name = models.CharField(max_length=128)  # what the names of the parts begin with
    observations = models.JSONField()  # names of the observations, a list for each part

    def __str__(self) -> str:
        return self.name


class Retrieval(models.Model):
    """One request for files. requested = delivered + denied + failed + skipped (+ pending while it runs)."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="retrievals")
    key = models.CharField(max_length=64, db_index=True)  # the stranger's basket key; retrieval.history
    name = models.CharField(max_length=128)  # MAST_<UTC stamp>
    method = models.CharField(max_length=16, choices=Method.choices)
    phase = models.CharField(max_length=16, choices=Phase.choices, default=Phase.PENDING)
    script = models.CharField(max_length=16, blank=True)  # which, where that is the method
    layout = models.CharField(max_length=16, default="nested")
    remove_completed = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    basket_id = models.BigIntegerField(null=True)
    split = models.ForeignKey(Split, models.PROTECT, null=True, related_name="retrievals")
    part = models.PositiveSmallIntegerField(default=1)
    parts = models.PositiveSmallIntegerField(default=1)
    frozen = models.PositiveIntegerField(default=0)  # files that have a row; retrieval.freezing
    requested = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    denied = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)  # of the files that can be delivered
    bytes_sent = models.BigIntegerField(default=0)  # of the bundle, counted once however often it was read
    length = models.BigIntegerField(null=True)  # of the bundle, headers and manifests included
    etag = models.CharField(max_length=80, blank=True)
    sent_ranges = models.JSONField(default=list)  # merged [start, stop) pairs of the bundle already sent
    rate = models.FloatField(default=0.0)  # bytes per second that leave, smoothed; retrieval.progress
    heard = models.DateTimeField(null=True)  # when some were last seen to leave
    compressor = models.CharField(max_length=80, blank=True)  # that the packed sizes of its files are of
    relaid = models.BooleanField(default=False)  # bytes of an earlier layout have left: see delivery
    message = models.TextField(blank=True)
    lease = models.DateTimeField(null=True)
    epoch = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["phase", "lease"], name="retrieval_work")]  # retrieval.jobs

    def __str__(self) -> str:
        return self.name

    @property
    def pending(self) -> int:
        """Files whose outcome is still open."""
        return self.requested - self.delivered - self.denied - self.failed - self.skipped

    @property
    def is_bundle(self) -> bool:
        """Whether its files travel as one bundle."""
        return self.method in BUNDLES

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.phase in ENDED

    def mark_queued(self) -> None:
        """Its files are frozen; the bundle can be read, or its files are still being measured."""
        self._move(Phase.QUEUED, {Phase.PENDING})

    def mark_executing(self) -> None:
        """The first byte leaves. A broken transfer may be taken up again."""
        self._move(Phase.EXECUTING, {Phase.QUEUED, Phase.ERROR, Phase.EXECUTING})
        self.started = self.started or timezone.now()
        self.ended = None

    def mark_completed(self, when: datetime) -> None:
        """Every file has its outcome and what could be delivered was."""
        self._move(Phase.COMPLETED, {Phase.EXECUTING, Phase.QUEUED})
        self.ended = when

    def mark_error(self, message: str, when: datetime) -> None:
        """It cannot go on; the message says why and what would work."""
        self._move(Phase.ERROR, {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
        self.message, self.ended = message, when

    def mark_aborted(self, when: datetime) -> None:
        """Its owner stopped it."""
        self._move(Phase.ABORTED, {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING, Phase.ERROR})
        self.ended = when

    def _move(self, to: Phase, allowed: set[Phase]) -> None:
        if self.phase not in allowed:
            raise IllegalTransition(f"{self.name} is {self.phase} and cannot become {to}.")
        self.phase = to


class Stream(models.Model):
    """A download that is being sent: it counts against the limits while it is renewed (retrieval.streams)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.CharField(max_length=80, blank=True, db_index=True)
    address = models.CharField(max_length=80, blank=True, db_index=True)
    begun = models.DateTimeField()
    renewed = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.person or self.address} since {self.begun:%Y-%m-%d %H:%M:%S}"


class IllegalTransition(Exception):
    """A phase that cannot follow the present one."""


class Selection(models.Model):
    """What a retrieval that is being frozen was asked for; removed once every file has its row."""

    retrieval = models.OneToOneField(Retrieval, models.CASCADE, primary_key=True, related_name="selection")
    products = models.BinaryField()  # keys in order, packed; retrieval.selection
    observations = models.BinaryField()  # keys of those that were in the basket, packed
    origin = models.ForeignKey(
        Retrieval, models.SET_NULL, null=True, related_name="+"
    )  # whose files are asked for again

    def __str__(self) -> str:
        return f"selection of {self.retrieval_id}"


class PackedSize(models.Model):
    """To how many bytes a compressor deflates the content of a file (0: it stores it), as once measured."""

    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    compressor = models.CharField(max_length=80)
    packed = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sha256", "size", "compressor"], name="one_packed_size_per_content")
        ]

    def __str__(self) -> str:
        return f"{self.sha256} by {self.compressor}: {self.packed}"


class RetrievalFile(models.Model):
    """One file of a retrieval, as it was frozen. Size in bytes."""

    retrieval = models.ForeignKey(Retrieval, models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    product_id = models.BigIntegerField()
    uri = models.CharField(max_length=1024)
    path = models.CharField(max_length=1024)
    source = models.TextField(blank=True)  # where the bytes lie
    size = models.BigIntegerField(null=True)
    mtime_ns = models.BigIntegerField(null=True)
    crc32 = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    etag = models.TextField(blank=True)  # of a remote file; portal.remote
    packed = models.BigIntegerField(null=True)  # bytes deflated, 0 where it is stored; of a tar.gz only
    access = models.CharField(max_length=32, blank=True)  # dataRights when it was frozen
    public_on = models.DateField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.PENDING)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["retrieval", "position"], name="one_file_per_position")]
        indexes = [models.Index(fields=["retrieval", "outcome"], name="retrieval_outcome")]  # retrieval.views

    def __str__(self) -> str:
        return self.path
