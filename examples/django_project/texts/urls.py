"""The addresses of this project."""

from django.urls import re_path

from .receiving import receive

urlpatterns = [re_path(r"^ecall/", receive)]
