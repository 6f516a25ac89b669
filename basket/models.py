"""The basket: which observations, which of their files, which of those are selected.

Never one row per file per basket: counts per (observation, facet signature) are packed into blobs, so that
every click costs about the same at 400 files and at 1,000,000 (docs/architecture.md, "The basket").
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.models import Observation

LONGEST_NAME = 80


class FacetSignature(models.Model):
    """One distinct combination of facet values; every filter is a set of these.

    Two things that no filter asks for split it further, so that sums over signatures tell them too: whether the
    archive knows the size, and which of its manifest's guards watches over the file (0: it is public).
    """

    mrp = models.BooleanField()
    productType = models.CharField(max_length=32)
    dataproduct_type = models.CharField(max_length=32)
    extension = models.CharField(max_length=32)
    productSubGroupDescription = models.CharField(max_length=64)
    batch = models.BooleanField()
    sized = models.BooleanField(default=True)
    guard = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "mrp",
                    "productType",
                    "dataproduct_type",
                    "extension",
                    "productSubGroupDescription",
                    "batch",
                    "sized",
                    "guard",
                ],
                name="one_signature_per_combination",
            )
        ]

    def __str__(self) -> str:
        return f"{self.productType}/{self.productSubGroupDescription}/{self.extension}"


class ProductManifest(models.Model):
    """The immutable packed product list of one observation, as of one version of that list."""

    observation = models.ForeignKey(Observation, models.CASCADE, related_name="manifests")
    products_version = models.PositiveIntegerField()
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()
    rows = models.PositiveIntegerField()
    exposures = models.JSONField(default=list)  # obs_id of the owners; the first is the observation itself
    guards = models.JSONField(
        default=list
    )  # what a verdict looks at, once per combination; a signature's guard - 1
    facet_counts = models.BinaryField()
    products = models.BinaryField()
    product_ids = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["observation", "products_version"], name="one_manifest_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.observation_id} v{self.products_version}: {self.files} files"


class ManifestNames(models.Model):
    """The file names of a manifest in the order of its rows, packed (basket.matching). Apart, because only the
    filter on names reads them."""

    manifest = models.OneToOneField(ProductManifest, models.CASCADE, primary_key=True, related_name="names")
    names = models.BinaryField()

    def __str__(self) -> str:
        return f"names of {self.manifest_id}"


class Basket(models.Model):
    """One row, and the lock: every writer takes it first. A stranger's basket is found by a random key.

    The row also counts what a page tells of the whole basket, so that no page asks every item.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="baskets")
    key = models.CharField(max_length=64, unique=True)
    stranger = models.CharField(max_length=64, blank=True, default="")  # the key of the stranger who holds it
    name = models.CharField(max_length=LONGEST_NAME, blank=True, default="")
    opened = models.DateTimeField(default=timezone.now)  # the one opened last is the one that a holder works on
    removed = models.DateTimeField(null=True)
    frozen = models.BooleanField(default=False)  # a copy of one moment: nobody holds it, nobody writes to it
    created = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=0)
    bulk_serial = models.PositiveIntegerField(default=0)
    mission_counts = models.BinaryField(default=bytes)
    product_ids = models.BinaryField(default=bytes)
    missions = models.JSONField(default=list)  # obs_collection names; their places are the mission numbers
    observations = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)  # of the archive's lists, repeats included
    per_mission = models.JSONField(default=list)  # by mission number: observations, and those that list no file
    absent_files = models.PositiveIntegerField(default=0)
    absent_ids = models.BinaryField(default=bytes)  # files that are listed and nobody carries: they were taken out
    shared_ids = models.BinaryField(default=bytes)  # at least the files that more than one observation lists
    guarded_counts = models.BinaryField(default=bytes)  # as mission_counts, of files not public at that moment:
    guarded_as_of = models.FloatField(default=0.0)  # MJD
    followed = models.BigIntegerField(default=0)  # changes of lists before this transaction are known

    class Meta:
        indexes = [
            models.Index(fields=["stranger"], name="basket_stranger", condition=~models.Q(stranger=""))
        ]  # basket.holders

    def __str__(self) -> str:
        return f"basket {self.pk} v{self.version}"

    def save(self, *args: Any, **options: Any) -> None:
        """A stranger's first basket bears the key of the stranger."""
        if self.owner_id is None and not self.frozen:
            self.stranger = self.stranger or self.key
        super().save(*args, **options)

    @property
    def title(self) -> str:
        """Its name as people see it; one that nobody named is just the basket."""
        return self.name or "Basket"


class BasketItem(models.Model):
    """One observation in a basket. `excluded` marks files that are listed but not carried here:
    another item carries them, or the user took them out."""

    basket = models.ForeignKey(Basket, models.CASCADE, related_name="items", db_index=False)  # item_order serves
    observation = models.ForeignKey(Observation, models.CASCADE)
    manifest = models.ForeignKey(ProductManifest, models.RESTRICT)
    position = models.PositiveIntegerField()
    mission = models.PositiveSmallIntegerField()
    applied_serial = models.PositiveIntegerField()
    facet_counts = models.BinaryField()
    excluded = models.BinaryField(null=True)
    selected = models.BinaryField(null=True)
    # MJD at which the next of its files becomes public, infinite for never; NULL where all are, as of the basket's
    guarded_until = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["basket", "observation"], name="one_item_per_observation")]
        indexes = [
            models.Index(
                fields=["basket", "guarded_until"], name="item_guarded", condition=~models.Q(guarded_until=None)
            ),  # basket.guards
            models.Index(fields=["basket", "position"], name="item_order"),  # basket.tree
            models.Index(fields=["basket", "mission", "position"], name="item_mission"),  # basket.tree
        ]

    def __str__(self) -> str:
        return f"{self.observation_id} in {self.basket_id}"


class Removal(models.Model):
    """What one act took out of a basket, so that it can be put back: per observation the file ids as bitmaps."""

    basket = models.ForeignKey(Basket, models.CASCADE, related_name="removals")
    created = models.DateTimeField(auto_now_add=True)
    undone = models.DateTimeField(null=True)
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["basket", "-created"], name="removal_recent")]  # basket.removal

    def __str__(self) -> str:
        return f"{self.files} files out of {self.basket_id}"


class RemovedFiles(models.Model):
    """The part of a removal that one observation carried."""

    removal = models.ForeignKey(Removal, models.CASCADE, related_name="parts")
    observation = models.ForeignKey(Observation, models.CASCADE)
    position = models.PositiveIntegerField()
    product_ids = models.BinaryField()
    selected_ids = models.BinaryField()

    def __str__(self) -> str:
        return f"part of {self.removal_id}"


class Filling(models.Model):
    """Observations on their way into a basket. The row is the job: a message to a worker only says "look"."""

    class Phase(models.TextChoices):
        """UWS job phases."""

        QUEUED = "QUEUED"
        EXECUTING = "EXECUTING"
        COMPLETED = "COMPLETED"
        ABORTED = "ABORTED"

    key = models.CharField(max_length=64, unique=True)
    basket = models.ForeignKey(Basket, models.CASCADE, related_name="fillings")
    created = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True)
    phase = models.CharField(max_length=16, choices=Phase.choices, default=Phase.QUEUED)
    observations = models.BinaryField()  # primary keys in the order asked for, 8 bytes each
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)  # of them, from the first
    added = models.PositiveIntegerField(default=0)
    already = models.PositiveIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    failures = models.JSONField(default=list)  # [primary key, name, reason] of each that could not be added
    epoch = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["created"], name="filling_open", condition=models.Q(phase__in=["QUEUED", "EXECUTING"])
            ),  # basket.fillings
            models.Index(fields=["basket", "-created"], name="filling_recent"),  # basket.fillings
        ]

    def __str__(self) -> str:
        return f"{self.done} of {self.total} observations into {self.basket_id}"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.phase in {self.Phase.QUEUED, self.Phase.EXECUTING}


class Held(models.Model):
    """What a person holds, or a stranger who is known by a key (basket.holders)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    stranger = models.CharField(max_length=64, blank=True, default="")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class SavedFilters(Held):
    """Filters under a name; as JSON that basket.page.Filters reads."""

    name = models.CharField(max_length=LONGEST_NAME)
    filters = models.JSONField()
    removed = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "saved filters"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="one_filter_set_per_name",
                condition=models.Q(removed=None, owner__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["stranger", "name"],
                name="one_filter_set_per_strangers_name",
                condition=models.Q(removed=None, owner=None),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Share(Held):
    """A link to a basket as it was: the token in the link is made from the nonce and a secret that is not in the
    database, and found by its digest."""

    basket = models.OneToOneField(Basket, models.SET_NULL, null=True, related_name="share")  # frozen
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    observations = models.PositiveIntegerField()
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()
    nonce = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    revoked = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["stranger"], name="share_stranger", condition=~models.Q(stranger=""))
        ]  # basket.holders

    def __str__(self) -> str:
        return f"{self.files} files shared"


class Joining(models.Model):
    """Another basket's content that came into a basket, and the basket as it was before, so that it can be undone."""

    basket = models.ForeignKey(Basket, models.CASCADE, related_name="joinings")
    before = models.OneToOneField(Basket, models.SET_NULL, null=True, related_name="+")  # frozen
    source = models.ForeignKey(Basket, models.SET_NULL, null=True, related_name="+")  # a stranger's, removed since
    removals = models.JSONField(default=list)  # keys of those that came along
    version = models.PositiveIntegerField()  # of the basket, just after
    observations = models.PositiveIntegerField()
    already = models.PositiveIntegerField()
    files = models.PositiveIntegerField()
    created = models.DateTimeField(auto_now_add=True)
    undone = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["basket", "-created"], name="joining_recent")]  # basket.merging

    def __str__(self) -> str:
        return f"{self.observations} observations into {self.basket_id}"
