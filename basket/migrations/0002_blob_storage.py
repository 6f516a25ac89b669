"""Blobs are stored as they are: PostgreSQL's attempt to compress them costs more than it saves."""

from django.db import migrations

BLOBS = {
    "basket_productmanifest": ["facet_counts", "products", "product_ids", "guarded_ids"],
    "basket_basket": ["mission_counts", "product_ids"],
    "basket_basketitem": ["facet_counts", "excluded", "selected"],
    "basket_removedfiles": ["product_ids", "selected_ids"],
}


def statements(storage):
    return [
        f'ALTER TABLE {table} ALTER COLUMN "{column}" SET STORAGE {storage}'
        for table, columns in BLOBS.items()
        for column in columns
    ]


class Migration(migrations.Migration):
    dependencies = [("basket", "0001_initial")]
    operations = [migrations.RunSQL(statements("EXTERNAL"), statements("EXTENDED"))]
