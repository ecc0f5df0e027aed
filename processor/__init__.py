"""cxpulse: customer-experience metrics from event streams, live and right."""
