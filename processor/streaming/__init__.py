"""The Faust side: app, batching transport, agents, dead letters, publisher."""
