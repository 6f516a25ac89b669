"""Shapes of the retrievals' JSON, for answers and for the OpenAPI document. Sizes in bytes, times in UTC."""

from typing import Any

from rest_framework import serializers

from retrieval.models import Method, Outcome, Phase
from retrieval.scripts import EMITTERS


class CreateSerializer(serializers.Serializer[Any]):
    """How the selected files of the basket are to travel."""

    method = serializers.CharField(default=Method.ZIP, help_text=f"Available: {', '.join(Method.values)}")
    script = serializers.CharField(
        default="", allow_blank=True, help_text=f"With method script: {', '.join(EMITTERS)}; bash by default"
    )
    layout = serializers.CharField(default="nested", help_text="nested (MISSION/observation/file) or flat")
    remove_completed = serializers.BooleanField(
        default=False, help_text="Take the delivered files out of the basket once all of the bundle was sent"
    )

    split = serializers.BooleanField(
        default=False,
        help_text="Take the files as several retrievals, by observation, each below the stream limit; the answer is "
        "the first of them and names the others in `part`",
    )
    part_bytes = serializers.IntegerField(
        required=False, allow_null=True, help_text="With `split`: the most that the files of a part hold, in bytes"
    )


class PartSerializer(serializers.Serializer[Any]):
    """Which part of a split request a retrieval is."""

    number = serializers.IntegerField(help_text="From 1")
    of = serializers.IntegerField()
    name = serializers.CharField(help_text="What the names of all parts begin with")
    urls = serializers.ListField(child=serializers.URLField(), help_text="All parts, in order")


class PackSerializer(serializers.Serializer[Any]):
    """The files that are to travel together."""

    uri = serializers.ListField(child=serializers.CharField(), help_text="Repeated, one for each file")


class CountsSerializer(serializers.Serializer[Any]):
    """requested = delivered + denied + failed + skipped + pending, always; pending is 0 when it has ended."""

    requested = serializers.IntegerField(help_text="Distinct files")
    delivered = serializers.IntegerField()
    denied = serializers.IntegerField(help_text="Not yours to read; the list gives the day of release")
    failed = serializers.IntegerField(help_text="The archive could not give them; the list says why")
    skipped = serializers.IntegerField(help_text="Not sent: the transfer broke off, or was cancelled")
    pending = serializers.IntegerField()


class RetrievalSerializer(serializers.Serializer[Any]):
    """One retrieval. `phase` is a UWS word."""

    id = serializers.CharField()
    url = serializers.URLField()
    page = serializers.URLField(help_text="The same for people")
    name = serializers.CharField()
    method = serializers.ChoiceField(Method.choices)
    script = serializers.CharField(allow_blank=True, help_text="Which one, where that is the method")
    phase = serializers.ChoiceField(Phase.choices)
    counts = CountsSerializer()
    prepared = serializers.IntegerField(help_text="While PENDING: files that were looked at, of `requested`")
    part = PartSerializer(allow_null=True, help_text="null unless the request was split")
    duplicates = serializers.IntegerField(help_text="Repeats that were removed before `requested` was counted")
    bytes = serializers.IntegerField(help_text="Of the files that can be delivered")
    bytes_sent = serializers.IntegerField(help_text="Of the bundle, each counted once")
    rate = serializers.FloatField(help_text="Bytes per second while it is being sent, smoothed; else 0")
    seconds_left = serializers.FloatField(allow_null=True, help_text="At that rate; null where it cannot be told")
    length = serializers.IntegerField(
        allow_null=True, help_text="Of the bundle; null until it is known, and for scripts"
    )
    download_url = serializers.URLField(allow_null=True, help_text="null while it cannot be downloaded")
    created = serializers.DateTimeField()
    started = serializers.DateTimeField(allow_null=True)
    ended = serializers.DateTimeField(allow_null=True)
    expires = serializers.DateTimeField(allow_null=True, help_text="null: it does not expire")
    message = serializers.CharField(help_text="The state in words, and what to do where something failed")


class RetrievalPageSerializer(serializers.Serializer[Any]):
    """One page of retrievals, newest first."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    page_size = serializers.IntegerField()
    results = RetrievalSerializer(many=True)


class RetrievalFileSerializer(serializers.Serializer[Any]):
    """What became of one file."""

    uri = serializers.CharField()
    path = serializers.CharField(help_text="Inside the bundle")
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)
    access = serializers.CharField(allow_blank=True, help_text="dataRights when it was requested")
    outcome = serializers.ChoiceField(Outcome.choices)
    reason = serializers.CharField(allow_blank=True)
    public_on = serializers.DateField(allow_null=True, help_text="The day on which a denied file becomes public")


class RetrievalFilePageSerializer(serializers.Serializer[Any]):
    """One page of files, in the order of the basket."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    page_size = serializers.IntegerField()
    results = RetrievalFileSerializer(many=True)


class ChangeSerializer(serializers.Serializer[Any]):
    """One file that is no longer as it was."""

    kind = serializers.ChoiceField(["changed", "gone", "released"])
    uri = serializers.CharField()
    path = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    size_now = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)
    sha256_now = serializers.CharField(allow_blank=True)


class ChangesSerializer(serializers.Serializer[Any]):
    """What the archive changed since: counts of all, and the first 1000 files."""

    changed = serializers.IntegerField(help_text="Other size or other checksum")
    gone = serializers.IntegerField(help_text="No longer in the catalogue, or without bytes")
    released = serializers.IntegerField(help_text="Denied then, yours to read now")
    files = ChangeSerializer(many=True)
