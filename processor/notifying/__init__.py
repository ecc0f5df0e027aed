"""Telling receivers of alerts: from the outbox to Alertmanager, webhooks and Apprise."""
