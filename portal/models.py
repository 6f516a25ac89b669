"""The catalogue: observations, the files they list, where the bytes lie, and who may read them.

Column names are MAST's (CAOM field documentation) on every wire and in the database. Files are stored
once, the rows that list them apart: 103 real observations gave 156,045 rows for 25,000 files.
"""

from django.conf import settings
from django.db import models


class Observation(models.Model):
    """One row of MAST's observation table (CAOM fields). Times in MJD, positions in deg, wavelengths in nm."""

    archive = models.CharField(max_length=16, default="local")
    obsid = models.CharField("Product Group ID", max_length=32)
    intentType = models.CharField("Observation Type", max_length=16, blank=True)
    obs_collection = models.CharField("Mission", max_length=64)
    provenance_name = models.CharField("Provenance Name", max_length=64, blank=True)
    instrument_name = models.CharField("Instrument", max_length=64, blank=True)
    project = models.CharField("Project", max_length=64, blank=True)
    filters = models.CharField("Filters", max_length=1024, blank=True)
    wavelength_region = models.CharField("Waveband", max_length=64, blank=True)
    target_name = models.CharField("Target Name", max_length=1024, blank=True)
    target_classification = models.CharField("Target Classification", max_length=4096, blank=True)
    obs_id = models.CharField("Observation ID", max_length=255)
    s_ra = models.FloatField("RA", null=True)
    s_dec = models.FloatField("Dec", null=True)
    dataproduct_type = models.CharField("Product Type", max_length=32, blank=True)
    proposal_pi = models.CharField("Principal Investigator", max_length=512, blank=True)
    calib_level = models.SmallIntegerField("Calibration Level", null=True)
    t_min = models.FloatField("Start Time", null=True)
    t_max = models.FloatField("End Time", null=True)
    t_exptime = models.FloatField("Exposure Length", null=True)
    em_min = models.FloatField("Min. Wavelength", null=True)
    em_max = models.FloatField("Max. Wavelength", null=True)
    obs_title = models.TextField("Observation Title", blank=True)
    t_obs_release = models.FloatField("Release Date", null=True)
    proposal_id = models.CharField("Proposal ID", max_length=64, blank=True)
    proposal_type = models.CharField("Proposal Type", max_length=64, blank=True)
    sequence_number = models.IntegerField("Sequence Number", null=True)
    s_region = models.TextField("s_region", blank=True)
    jpegURL = models.TextField("jpegURL", blank=True)
    dataURL = models.TextField("dataURL", blank=True)
    dataRights = models.CharField("Data Rights", max_length=32, blank=True)
    mtFlag = models.BooleanField("Moving Target", null=True)
    srcDen = models.FloatField("Number of Catalog Objects", null=True)
    objID = models.CharField("Object ID", max_length=32, blank=True)

    # The circle round the footprint, indexed by size and declination (portal.sky)
    center_ra = models.FloatField(null=True, editable=False)
    center_dec = models.FloatField(null=True, editable=False)
    bounding_radius = models.FloatField(null=True, editable=False)
    x = models.FloatField(null=True, editable=False)
    y = models.FloatField(null=True, editable=False)
    z = models.FloatField(null=True, editable=False)
    cos_radius = models.FloatField(null=True, editable=False)
    sin_radius = models.FloatField(null=True, editable=False)
    size_class = models.SmallIntegerField(null=True, editable=False)
    dec_zone = models.IntegerField(null=True, editable=False)

    # Raised whenever the list of products changes, so that a basket knows its copy is old
    products_version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["archive", "obsid"], name="one_observation_per_obsid")]
        indexes = [
            models.Index(fields=["size_class", "dec_zone", "center_ra"], name="observation_sky"),  # portal.search
            models.Index(fields=["proposal_id"], name="observation_program"),  # portal.search
            models.Index(fields=["archive", "obs_collection", "obs_id"], name="observation_obs_id"),  # links
        ]

    def __str__(self) -> str:
        return f"{self.obs_collection}/{self.obs_id}"

    @property
    def planned(self) -> bool:
        """Not yet observed: calibration level -1, and so no products."""
        return self.calib_level == -1


class Product(models.Model):
    """A file. Its identity is its dataURI. Size in bytes; NULL where the archive does not tell it."""

    archive = models.CharField(max_length=16, default="local")
    dataURI = models.CharField("URI", max_length=1024)
    obs_collection = models.CharField("Mission", max_length=64)
    obs_id = models.CharField("Observation ID", max_length=255)
    productFilename = models.CharField("File Name", max_length=255)
    size = models.BigIntegerField("Size", null=True)
    description = models.CharField("Description", max_length=1024, blank=True)
    productType = models.CharField("Product Category", max_length=32, blank=True)
    productSubGroupDescription = models.CharField("Group", max_length=64, blank=True)
    productDocumentationURL = models.TextField("Documentation", blank=True)
    project = models.CharField("Project", max_length=64, blank=True)
    proposal_id = models.CharField("Proposal ID", max_length=64, blank=True)
    dataRights = models.CharField("Data Rights", max_length=32, blank=True)
    # MJD on which the last of the observations that list it becomes public; kept by portal.ingest
    t_obs_release = models.FloatField("Release Date", null=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["archive", "dataURI"], name="one_product_per_uri")]

    def __str__(self) -> str:
        return self.dataURI


class Membership(models.Model):
    """One row of MAST's product table: an observation lists a file, through the observation that owns it."""

    observation = models.ForeignKey(Observation, models.CASCADE, related_name="memberships")
    product = models.ForeignKey(Product, models.CASCADE, related_name="memberships")
    obsID = models.CharField("Product Group ID", max_length=32)
    obs_id = models.CharField("Observation ID", max_length=255)
    dataproduct_type = models.CharField("Product Type", max_length=32, blank=True)
    type = models.CharField("Type", max_length=1, blank=True)
    productGroupDescription = models.CharField("Recommended", max_length=64, blank=True)
    prvversion = models.CharField("Calibration Version", max_length=32, blank=True)
    calib_level = models.SmallIntegerField("Calibration Level", null=True)
    filters = models.CharField("Filters", max_length=1024, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["observation", "obsID", "product"], name="one_membership_per_row")
        ]
        indexes = [models.Index(fields=["obsID"], name="membership_owner")]  # portal.ingest.settling

    def __str__(self) -> str:
        return f"{self.observation_id} lists {self.product_id}"


class StoredFile(models.Model):
    """Where the bytes of a product lie, here or in a store, and what was measured of them: size, CRC-32, SHA-256."""

    product = models.OneToOneField(Product, models.CASCADE, related_name="stored")
    path = models.TextField()
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    crc32 = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    etag = models.TextField(blank=True)  # of a remote file; portal.remote

    class Meta:
        indexes = [models.Index(fields=["sha256"], name="stored_file_sha256")]

    def __str__(self) -> str:
        return self.path

    @property
    def measured(self) -> bool:
        """Whether its checksums are known."""
        return self.crc32 is not None


class Program(models.Model):
    """An observing program; its principal investigators decide who else may read its exclusive files."""

    obs_collection = models.CharField("Mission", max_length=64)
    proposal_id = models.CharField("Proposal ID", max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["obs_collection", "proposal_id"], name="one_program_per_mission")
        ]

    def __str__(self) -> str:
        return f"{self.obs_collection} {self.proposal_id}"


class Grant(models.Model):
    """A person may read a program's exclusive files, until a moment or without end."""

    program = models.ForeignKey(Program, models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    until = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["program", "user"], name="one_grant_per_person")]

    def __str__(self) -> str:
        return f"{self.user} reads {self.program}"
