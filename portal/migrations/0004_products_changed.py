"""When a list of products changed: the transaction that raised its version, set where no writer can forget it."""

from django.db import migrations, models

TRIGGER = [
    """
    CREATE FUNCTION portal_note_products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.products_changed := CASE
            WHEN NEW.products_version IS DISTINCT FROM OLD.products_version
            THEN pg_current_xact_id()::text::bigint ELSE OLD.products_changed END;
        RETURN NEW;
    END $$""",
    """
    CREATE TRIGGER products_changed BEFORE UPDATE OF products_version, products_changed ON portal_observation
        FOR EACH ROW EXECUTE FUNCTION portal_note_products_changed()""",
]
NO_TRIGGER = [
    "DROP TRIGGER products_changed ON portal_observation",
    "DROP FUNCTION portal_note_products_changed()",
]


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_etag_of_remote_files")]
    operations = [
        migrations.AddField("observation", "products_changed", models.BigIntegerField(db_default=0, editable=False)),
        migrations.AddIndex(
            "observation", models.Index(fields=["products_changed"], name="observation_changed")
        ),
        migrations.RunSQL(TRIGGER, NO_TRIGGER),
    ]
