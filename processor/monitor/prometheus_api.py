"""Prometheus's text format over HTTP."""

from fastapi import APIRouter

router = APIRouter()
