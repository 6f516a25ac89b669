"""What pages offer as scripts."""

from django import template

from retrieval.scripts import EMITTERS

register = template.Library()


@register.simple_tag
def script_kinds() -> list[tuple[str, str]]:
    """Name and label of each kind of script."""
    return [(name, emitter.label) for name, emitter in EMITTERS.items()]
