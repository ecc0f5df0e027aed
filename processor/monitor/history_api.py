"""Readings over time and distributions over HTTP."""

from fastapi import APIRouter

router = APIRouter()
