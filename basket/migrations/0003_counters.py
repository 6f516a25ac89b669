"""What a page tells of a whole basket is counted on its row; names of files are packed beside the manifests.

Manifests of before do not tell their guards: every list counts as changed, so that baskets follow to new ones.
"""

import django.db.models.deletion
from django.db import migrations, models

from pyroaring import BitMap64

BLOBS = {
    "basket_manifestnames": ["names"],
    "basket_basket": ["absent_ids", "shared_ids", "guarded_counts"],
    "basket_filling": ["observations"],
}
ROOM = "ALTER TABLE basket_basketitem SET (fillfactor = 50)"  # a row that changes stays on its page
STORAGE = [
    f'ALTER TABLE {table} ALTER COLUMN "{column}" SET STORAGE EXTERNAL'
    for table, columns in BLOBS.items()
    for column in columns
]
CHANGED = """
    UPDATE portal_observation SET products_version = products_version + 1
    WHERE id IN (SELECT observation_id FROM basket_productmanifest)"""


def count(apps, schema_editor):
    """What the items of each basket say, once."""
    items = apps.get_model("basket", "BasketItem").objects
    for basket in apps.get_model("basket", "Basket").objects.iterator(100):
        carried, listed, shared = _ids(basket.product_ids), BitMap64(), BitMap64()
        basket.per_mission = [[0, 0] for _ in basket.missions]
        rows = items.filter(basket=basket).values_list(
            "mission", "manifest__files", "manifest__rows", "manifest__product_ids"
        )
        for mission, files, listing, ids in rows.iterator(100):
            basket.observations += 1
            basket.rows += listing
            basket.per_mission[mission][0] += 1
            basket.per_mission[mission][1] += not files
            shared |= listed & _ids(ids)
            listed |= _ids(ids)
        absent = listed - carried
        basket.absent_files = len(absent)
        basket.absent_ids, basket.shared_ids = _packed(absent), _packed(shared)
        basket.save()


def _ids(blob):
    return BitMap64.deserialize(bytes(blob)) if blob else BitMap64()


def _packed(ids):
    ids.run_optimize()
    return bytes(ids.serialize()) if ids else b""


class Migration(migrations.Migration):

    dependencies = [
        ('basket', '0002_blob_storage'),
        ('portal', '0004_products_changed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Filling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('ended', models.DateTimeField(null=True)),
                ('phase', models.CharField(choices=[('QUEUED', 'Queued'), ('EXECUTING', 'Executing'), ('COMPLETED', 'Completed'), ('ABORTED', 'Aborted')], default='QUEUED', max_length=16)),
                ('observations', models.BinaryField()),
                ('total', models.PositiveIntegerField()),
                ('done', models.PositiveIntegerField(default=0)),
                ('added', models.PositiveIntegerField(default=0)),
                ('already', models.PositiveIntegerField(default=0)),
                ('files', models.PositiveIntegerField(default=0)),
                ('rows', models.PositiveBigIntegerField(default=0)),
                ('duplicates', models.PositiveBigIntegerField(default=0)),
                ('failures', models.JSONField(default=list)),
                ('epoch', models.PositiveIntegerField(default=0)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('lease', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ManifestNames',
            fields=[
                ('manifest', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='names', serialize=False, to='basket.productmanifest')),
                ('names', models.BinaryField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='facetsignature',
            name='one_signature_per_combination',
        ),
        migrations.RemoveField(
            model_name='productmanifest',
            name='guarded_ids',
        ),
        migrations.RemoveField(
            model_name='productmanifest',
            name='unknown_sizes',
        ),
        migrations.AddField(
            model_name='basket',
            name='absent_files',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='basket',
            name='absent_ids',
            field=models.BinaryField(default=bytes),
        ),
        migrations.AddField(
            model_name='basket',
            name='per_mission',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='basket',
            name='followed',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='basket',
            name='guarded_as_of',
            field=models.FloatField(default=0.0),
        ),
        migrations.AddField(
            model_name='basket',
            name='guarded_counts',
            field=models.BinaryField(default=bytes),
        ),
        migrations.AddField(
            model_name='basket',
            name='observations',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='basket',
            name='rows',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='basket',
            name='shared_ids',
            field=models.BinaryField(default=bytes),
        ),
        migrations.AlterField(
            model_name='basketitem',
            name='basket',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='basket.basket'),
        ),
        migrations.AddField(
            model_name='basketitem',
            name='guarded_until',
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name='facetsignature',
            name='guard',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='facetsignature',
            name='sized',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='productmanifest',
            name='guards',
            field=models.JSONField(default=list),
        ),
        migrations.AddIndex(
            model_name='basketitem',
            index=models.Index(condition=models.Q(('guarded_until', None), _negated=True), fields=['basket', 'guarded_until'], name='item_guarded'),
        ),
        migrations.AddConstraint(
            model_name='facetsignature',
            constraint=models.UniqueConstraint(fields=('mrp', 'productType', 'dataproduct_type', 'extension', 'productSubGroupDescription', 'batch', 'sized', 'guard'), name='one_signature_per_combination'),
        ),
        migrations.AddField(
            model_name='filling',
            name='basket',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='fillings', to='basket.basket'),
        ),
        migrations.AddIndex(
            model_name='filling',
            index=models.Index(condition=models.Q(('phase__in', ['QUEUED', 'EXECUTING'])), fields=['created'], name='filling_open'),
        ),
        migrations.AddIndex(
            model_name='filling',
            index=models.Index(fields=['basket', '-created'], name='filling_recent'),
        ),
        migrations.RunSQL([ROOM, *STORAGE], migrations.RunSQL.noop),
        migrations.RunPython(count, migrations.RunPython.noop),
        migrations.RunSQL(CHANGED, migrations.RunSQL.noop),
    ]
