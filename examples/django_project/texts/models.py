"""Texts, their delivery, and the replies."""
# pyright: reportUnknownVariableType=false
# Only mypy's plugin knows the types of Django's fields.

from django.db import models


class Text(models.Model):
    """A text to one person."""

    class State(models.TextChoices):
        """What is known about a text; one that stays `SENDING` was interrupted, and may have been sent."""

        SENDING = "sending"
        ACCEPTED = "accepted"
        NOT_SENT = "not sent"
        UNKNOWN = "unknown"

    recipient = models.CharField(max_length=20, db_index=True)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.SENDING)
    message_id = models.CharField(max_length=100, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Delivery(models.Model):
    """What the delivery reports of a message say; the first may come before `message_id` is stored."""

    message_id = models.CharField(max_length=100, primary_key=True)
    state = models.CharField(max_length=30)
    is_final = models.BooleanField()


class Reply(models.Model):
    """What a person wrote."""

    key = models.CharField(max_length=200, unique=True)
    sender = models.CharField(max_length=20)
    body = models.TextField()
    answers = models.ForeignKey(Text, null=True, on_delete=models.SET_NULL)
    received_at = models.DateTimeField(auto_now_add=True)
