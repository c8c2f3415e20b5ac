"""The tables of the app, as `makemigrations` wrote it."""
# ruff: noqa: D101, RUF012

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("message_id", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("state", models.CharField(max_length=30)),
                ("is_final", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="Text",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("recipient", models.CharField(db_index=True, max_length=20)),
                ("body", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("sending", "Sending"),
                            ("accepted", "Accepted"),
                            ("not sent", "Not Sent"),
                            ("unknown", "Unknown"),
                        ],
                        default="sending",
                        max_length=10,
                    ),
                ),
                ("message_id", models.CharField(blank=True, db_index=True, max_length=100)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="Reply",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200, unique=True)),
                ("sender", models.CharField(max_length=20)),
                ("body", models.TextField()),
                ("received_at", models.DateTimeField(auto_now_add=True)),
                (
                    "answers",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="texts.text"
                    ),
                ),
            ],
        ),
    ]
